/** Numbers for people: short where they are small, never more digits than they are worth. */

/** '0.4 %', '7.2 %', '63 %'; what is there but would show as nothing: '<0.1 %'. */
export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return '? %'
  const percent = share * 100
  if (percent > 0 && percent < 0.05) return '<0.1 %'
  return `${Math.abs(percent) < 9.95 ? Number(percent.toFixed(1)) : Math.round(percent)} %`
}

/** '84 ms', '7.4 s', '75 s', '6 min 52 s', '3 h 5 min'. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`
  const whole = Math.round(seconds)
  if (whole < 120) return `${whole} s`
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** '0.42', '7.2', '91', '1,234': a rate or a count. */
export function formatRate(value: number): string {
  if (!Number.isFinite(value)) return '?'
  if (value < 0.9995) return String(Number(value.toPrecision(2)))
  return value < 9.95 ? String(Number(value.toFixed(1))) : Math.round(value).toLocaleString('en-US')
}

/** '940 kB', '12 MB', '1.2 GB': powers of ten, as disks and networks are rated. */
export function formatBytes(bytes: number): string {
  if (bytes < 999.5) return `${Math.round(bytes)} B`
  for (const [unit, size] of [['kB', 1e3], ['MB', 1e6]] as const) if (bytes / size < 999.5) return `${formatRate(bytes / size)} ${unit}`
  return `${formatRate(bytes / 1e9)} GB`
}

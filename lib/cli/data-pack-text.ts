/** What `siamtrain data pack` prints. */
import type { PackEstimate } from '../data/pack/estimate.ts'
import type { PackReport, PackedDataset } from '../data/pack/write-pack.ts'
import { formatInterval } from '../engine/progress.ts'
import { formatBytes } from '../pipeline/format.ts'

/** How long it takes: 2:46:40 with 8 threads. */
function time(seconds: number, threads: number): string {
  return `${seconds < 1 ? 'less than a second' : formatInterval(seconds)} with ${count(threads, 'thread')}`
}

function count(n: number, noun: string): string {
  return `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`
}

export function estimateText(estimates: readonly PackEstimate[], freeBytes: number | null): string {
  const lines = estimates.map(({ dataset, frames, bytes, bytesPerFrame, sourceBytesPerFrame, seconds, threads, samples, unusable, copied }) => {
    const lossless = copied === 0 ? '' : `, ${Math.round((copied / Math.max(1, samples - unusable)) * 100)} % of them without loss`
    const bad = unusable === 0 ? '' : `; ${unusable} of them cannot be used`
    return (
      `${dataset}: ${count(frames, 'frame')}, about ${formatBytes(bytes)}, ${time(seconds, threads)}\n` +
      `  ${formatBytes(bytesPerFrame)} a frame${lossless}, from files of ${formatBytes(sourceBytesPerFrame)} (${count(samples, 'frame')} looked at${bad})\n`
    )
  })
  const total = estimates.reduce((sum, { bytes }) => sum + bytes, 0)
  if (estimates.length > 1) lines.push(`Together about ${formatBytes(total)}, ${time(estimates.reduce((sum, { seconds }) => sum + seconds, 0), estimates[0]!.threads)}\n`)
  if (freeBytes !== null) lines.push(`Free there: ${formatBytes(freeBytes)}\n`)
  return lines.join('')
}

export function packText({ packs }: PackReport): string {
  return packs.map(describe).join('')
}

function describe({ dataset, folder, sequences, frames, stored, bytes, shards, reusedShards, reusedFrames, bad, badFrames, seconds }: PackedDataset): string {
  const lines = [`${dataset}: ${count(sequences, 'sequence')}, ${count(frames, 'frame')}, ${formatBytes(bytes)} in ${count(shards, 'shard')}, ${formatBytes(bytes / Math.max(1, stored))} a frame`, `  ${folder}`]
  if (reusedShards > 0) lines.push(`  ${reusedShards === shards ? 'all shards were there' : `${count(reusedShards, 'shard')} of an earlier run`}`)
  if (bad > 0) {
    lines.push(`  ${count(bad, 'frame')} could not be used and ${bad === 1 ? 'is' : 'are'} not in the pack${badFrames.length === 0 ? '' : ':'}`)
    const shown = badFrames.slice(0, 5)
    for (const { file, message } of shown) lines.push(`    ${file}: ${message}`)
    if (badFrames.length > shown.length) lines.push(`    … and ${bad - shown.length} more; --json lists them`)
  }
  if (seconds >= 1 && reusedShards < shards) lines.push(`  ${formatInterval(seconds)}, ${((frames - reusedFrames) / seconds).toFixed(0)} frames/s`)
  return `${lines.join('\n')}\n`
}

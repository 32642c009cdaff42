// The graph of scores over the frames, above the scrubber.

/** Half of the scrubber's thumb: its first and last frame are that far inside. */
const margin = 8
/** Upper ends of the score axis: networks differ in how sure they are. */
const limits = [0.05, 0.1, 0.2, 0.5, 1]

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import('./player.js').Player} player
 * @param {number} last the last frame of the scrubber
 */
export function drawTimeline(canvas, player, last) {
  const ratio = devicePixelRatio
  const { clientWidth: width, clientHeight: height } = canvas
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'))
  pen.scale(ratio, ratio)
  const style = getComputedStyle(canvas)
  /** @param {string} name */
  const color = (name) => style.getPropertyValue(name)
  // Given boxes have no score of their own.
  const steps = player.source === undefined ? [] : player.run.sorted()
  const scored = steps.filter(({ init }) => !init)
  const highest = scored.reduce((most, { score }) => Math.max(most, score), 0)
  const limit = scored.length === 0 ? 1 : (limits.find((each) => each >= highest) ?? 1)
  const top = 6
  const bottom = height - 6
  /** @param {number} frame */
  const across = (frame) => margin + (last === 0 ? 0 : frame / last) * (width - 2 * margin)
  /** @param {number} score */
  const down = (score) => bottom - Math.min(Math.max(score / limit, 0), 1) * (bottom - top)

  pen.strokeStyle = color('--graph-grid')
  pen.lineWidth = 1
  for (const score of [0, limit / 2, limit]) {
    pen.beginPath()
    pen.moveTo(0, Math.round(down(score)) + 0.5)
    pen.lineTo(width, Math.round(down(score)) + 0.5)
    pen.stroke()
  }
  if (!player.source) return

  // Stretches of frames one behind the other; between them is a gap.
  for (let from = 0; from < scored.length;) {
    let to = from + 1
    while (to < scored.length && at(scored, to).frame === at(scored, to - 1).frame + 1) to += 1
    const stretch = scored.slice(from, to)
    const line = new Path2D()
    for (const [i, { frame, score }] of stretch.entries()) {
      if (i === 0) line.moveTo(across(frame), down(score))
      else line.lineTo(across(frame), down(score))
    }
    const area = new Path2D(line)
    area.lineTo(across(at(stretch, stretch.length - 1).frame), bottom)
    area.lineTo(across(at(stretch, 0).frame), bottom)
    pen.fillStyle = color('--graph-fill')
    pen.fill(area)
    pen.strokeStyle = color('--graph')
    pen.lineWidth = 1.5
    pen.stroke(line)
    from = to
  }
  pen.fillStyle = color('--mark')
  for (const { frame, init } of steps) {
    if (!init) continue
    pen.beginPath()
    pen.arc(across(frame), top + 1, 3.5, 0, 7)
    pen.fill()
  }
  pen.fillStyle = color('--soft')
  pen.font = '11px system-ui, sans-serif'
  pen.textAlign = 'right'
  if (scored.length > 0) pen.fillText(`score ${limit}`, width - margin, top + 12)
  pen.strokeStyle = color('--text')
  pen.lineWidth = 1
  pen.beginPath()
  pen.moveTo(Math.round(across(player.view)) + 0.5, 0)
  pen.lineTo(Math.round(across(player.view)) + 0.5, height)
  pen.stroke()
}

/** @template T @param {T[]} list @param {number} index @returns {T} */
const at = (list, index) => /** @type {T} */ (list[index])

/**
 * The frame under a place of the graph.
 * @param {HTMLCanvasElement} canvas @param {number} offset CSS pixels from its left edge @param {number} last
 */
export function frameUnder(canvas, offset, last) {
  return Math.round(((offset - margin) / Math.max(1, canvas.clientWidth - 2 * margin)) * last)
}

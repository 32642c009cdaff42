// Numbers and problems in words.

/** @typedef {{ code?: string, message: string, hint?: string }} Problem */

/** @param {Response} response @returns {Promise<Problem>} */
export async function problemOf(response) {
  try {
    return (await response.json()).error
  } catch {
    return { message: `The server answered ${response.status}`, hint: 'the terminal that it runs in may say more' }
  }
}

/** Whatever was thrown, as something to show. @param {unknown} error @returns {Problem} */
export function problemFrom(error) {
  if (error instanceof TypeError) return { message: 'The server does not answer', hint: 'is siamtrain demo still running in its terminal?' }
  if (error instanceof Error) return { message: error.message }
  return /** @type {Problem} */ (error)
}

/** A sentence: a capital first, a full stop last. @param {string} text */
export function sentence(text) {
  const trimmed = text.trim()
  if (trimmed === '') return ''
  // Names of files keep their case.
  const first = /^[a-z]+\s/.test(trimmed) ? trimmed[0]?.toUpperCase() + trimmed.slice(1) : trimmed
  return /[.!?…]$/.test(first) ? first : `${first}.`
}

/** @param {number} frame @param {number | null} frames */
export function frameText(frame, frames) {
  return frames === null ? `Frame ${frame + 1}` : `Frame ${frame + 1} of ${frames}`
}

/** @param {number | undefined} score */
export function scoreText(score) {
  return score === undefined ? '–' : score.toFixed(score < 0.1 ? 3 : 2)
}

/** @param {number | undefined} fps */
export function fpsText(fps) {
  return fps === undefined ? '–' : fps >= 100 ? fps.toFixed(0) : fps.toFixed(1)
}

/** @param {number} bytes */
export function bytesText(bytes) {
  for (const [unit, size] of /** @type {const} */ ([['GB', 1e9], ['MB', 1e6], ['kB', 1e3]])) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`
  }
  return `${bytes} bytes`
}

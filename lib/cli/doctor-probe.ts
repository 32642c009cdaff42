/**
 * Loads the addon and prints what it says of itself as JSON. `siamtrain doctor` runs this as a process of its own, so that an addon that
 * crashes at loading is a finding and not the end of doctor.
 */
import { loadAddon } from '../native/load.ts'

const addon = loadAddon()

/** @returns why a small picture does not survive encoding and decoding, or null when it does */
function jpegProblem(): string | null {
  try {
    const grey = new Uint8Array(16 * 16 * 3).fill(128)
    const back = addon.decodeJpeg(addon.encodeJpeg(grey, 16, 16, { quality: 90, subsampling: '420', format: 'bgr' }))
    return back.width === 16 && back.data.every((value) => Math.abs(value - 128) <= 2) ? null : 'a decoded picture differs from the encoded one'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The library for PNG and WebP, or why there is none. */
function pictures(): { version: string | null; missing: string | null } {
  try {
    return { version: addon.pictureLibrary(true).version, missing: null }
  } catch (error) {
    return { version: null, missing: error instanceof Error ? error.message : String(error) }
  }
}

process.stdout.write(JSON.stringify({ versions: addon.versions(), cuda: await addon.cudaAvailable(), threads: await addon.setThreads(0), jpegProblem: jpegProblem(), pictures: pictures() }))

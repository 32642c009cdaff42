/**
 * The ffmpeg that tests run: the user's own, else the static one in PyPI's imageio-ffmpeg, got once into the user's cache.
 */
import { findFfmpeg } from '../../lib/tracking/video/index.ts'
import { pythonEnv, runProgram } from './python-env.ts'

/** Its path; undefined, after a printed line why, where none can be had. */
export async function ffmpegForTests(): Promise<string | undefined> {
  const own = await findFfmpeg().catch(() => undefined)
  if (own !== undefined) return own.path
  try {
    const python = await pythonEnv('ffmpeg', ['imageio-ffmpeg==0.6.0'], { noDeps: true })
    const { stdout } = await runProgram(python, ['-c', 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())'])
    return stdout.trim()
  } catch (error) {
    console.log(`tests of videos are skipped: no ffmpeg on PATH, and none from PyPI (${String(error).slice(0, 200)})`)
    return undefined
  }
}

/**
 * Where ffmpeg is, and how it is run. It is never needed but for videos.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { SiamError } from '../../errors.ts'

const run = promisify(execFile)
const hint = 'install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg), or set SIAMFCPP_FFMPEG to its path; a folder of images needs none'

export interface Ffmpeg {
  path: string
  /** What it calls itself: 7.0.2, n6.1, … */
  version: string
  /** How every frame is kept as it is, none dropped or doubled to even out their times; the option has another name since 5.1. */
  keepFrames: readonly string[]
}

/**
 * The ffmpeg that `SIAMFCPP_FFMPEG` names, else the one on PATH.
 * @throws ERR_SETUP when there is none, with what to do; a SIAMFCPP_FFMPEG that cannot be used is never a reason to look further
 */
export async function findFfmpeg(): Promise<Ffmpeg> {
  const named = process.env.SIAMFCPP_FFMPEG
  const path = named === undefined || named === '' ? 'ffmpeg' : named
  let text: string
  try {
    text = (await run(path, ['-hide_banner', '-version'])).stdout
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const where = path === 'ffmpeg' ? 'there is no ffmpeg on PATH' : `SIAMFCPP_FFMPEG names ${path}, which ${missing ? 'is not there' : 'cannot be run'}`
    throw new SiamError('ERR_SETUP', `a video is read and written through ffmpeg, but ${where}`, { hint, cause })
  }
  const version = /^ffmpeg version (\S+)/.exec(text)?.[1]
  if (version === undefined) throw new SiamError('ERR_SETUP', `${path} does not answer as ffmpeg does`, { hint })
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? []
  const older = major !== undefined && (Number(major) < 5 || (Number(major) === 5 && Number(minor) < 1))
  return { path, version, keepFrames: older ? ['-vsync', 'passthrough'] : ['-fps_mode', 'passthrough'] }
}

/**
 * Which formats are opened. Playlists and scripts (HLS, concat, DASH, image patterns) are not among them: a file that claims to be a video
 * must not make ffmpeg read others, nor the network.
 */
export const formats =
  'aiff,amv,apng,asf,av1,avi,dv,flv,gif,h261,h263,h264,hevc,ivf,m4v,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,vob,webp_pipe,wtv,yuv4mpegpipe'

/** Arguments that name a local file as the input. */
export function inputOf(file: string): string[] {
  return ['-protocol_whitelist', 'file', '-format_whitelist', formats, '-i', `file:${file}`]
}

/** What ffmpeg wrote on standard error, its last telling lines in one. */
export function lastWords(stderr: string): string {
  const lines = stderr
    .split(/[\r\n]+/)
    .map((line) => line.replace(/^\[[^\]]*\]\s*/, '').trim())
    .filter((line) => line !== '' && !/^(Conversion failed|Error opening (in|out)put|Output file|At least one output)/.test(line))
  return lines.slice(-2).join('; ').slice(0, 300)
}

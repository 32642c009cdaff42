/**
 * Images of the TraX protocol: a path (`file:///frames/1.jpg`), raw pixels (`image:640;480;rgb;BASE64`), or the bytes of a file
 * (`data:image/jpeg;base64;BASE64`). Nothing is fetched from a network.
 */
import type { Frame } from '../tracking/frame.ts'
import { malformed } from './message.ts'

/** What `trax.image` announces; the reference library says buffer for what the specification calls data. */
export const imageFormats = ['path', 'memory', 'buffer'] as const

/** Bytes of one pixel in the protocol. */
const pixelBytes: Readonly<Record<string, number>> = { rgb: 3, gray8: 1, gray16: 2 }

/** @throws ERR_DATA for an image by URL, an unknown format, or data that do not fit it */
export function parseImage(text: string): Frame {
  if (text === '') throw malformed('the image is empty')
  // A path without a scheme, as older clients send it; one letter before the colon is a drive.
  const scheme = /^([a-z][a-z+.-]{1,15}):/.exec(text)?.[1]
  if (scheme === undefined) return text
  const rest = text.slice(scheme.length + 1)
  if (scheme === 'file') return pathOf(rest)
  if (scheme === 'image') return pixelsOf(rest)
  if (scheme === 'data') return bytesOf(rest)
  throw malformed(`images by URL (${scheme}:) are not supported; send a path, memory or buffer`)
}

function pathOf(rest: string): string {
  const path = rest.startsWith('//') ? rest.slice(2) : rest
  if (path === '') throw malformed('the path of the image is empty')
  return path
}

function pixelsOf(rest: string): Frame {
  const match = /^(\d{1,6});(\d{1,6});([a-z0-9]{1,16});/i.exec(rest)
  if (match === null) throw malformed(`expected image:WIDTH;HEIGHT;FORMAT;BASE64 but found ${JSON.stringify(`image:${rest.slice(0, 40)}`)}`)
  const [header, width, height, format] = [match[0], Number(match[1]), Number(match[2]), (match[3] as string).toLowerCase()]
  const bytes = Object.hasOwn(pixelBytes, format) ? (pixelBytes[format] as number) : undefined
  if (bytes === undefined) throw malformed(`expected the format rgb, gray8 or gray16 but found ${JSON.stringify(format)}`)
  const data = decode(rest.slice(header.length))
  if (width === 0 || height === 0 || data.length !== width * height * bytes) {
    throw malformed(`expected ${width} × ${height} × ${bytes} = ${width * height * bytes} bytes of pixels but found ${data.length}`)
  }
  if (format === 'rgb') return { data, width, height, channels: 3, format: 'rgb' }
  // Trackers see 8 bits: the upper ones, which come second.
  const gray = format === 'gray8' ? data : Uint8Array.from({ length: width * height }, (_, i) => data[2 * i + 1] as number)
  return { data: gray, width, height, channels: 1, format: 'rgb' }
}

/** The specification writes `;base64;`, browsers `;base64,`, the reference library nothing. What the file is its first bytes tell. */
function bytesOf(rest: string): Frame {
  const match = /^image\/[a-z0-9.+-]{1,20};(?:base64[;,])?/i.exec(rest)
  if (match === null) throw malformed(`expected data:image/TYPE;base64;BASE64 but found ${JSON.stringify(`data:${rest.slice(0, 40)}`)}`)
  const data = decode(rest.slice(match[0].length))
  if (data.length === 0) throw malformed('the image is empty')
  return data
}

/** Node skips what is no base64 silently: the length tells. */
function decode(text: string): Uint8Array {
  const digits = text.replace(/={1,2}$/, '')
  const data = Buffer.from(digits, 'base64')
  if (digits.length % 4 === 1 || data.length !== Math.floor((digits.length * 3) / 4)) throw malformed('the image is no base64')
  return data
}

/**
 * What a file is, by its first bytes: names are the uploader's to choose. The list of videos is closed on purpose: playlists and scripts
 * that a decoder would also take can name other files of this machine.
 */

/** As many bytes as the longest mark needs. */
export const markBytes = 12

const latin1 = (bytes: Uint8Array, from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('latin1')

/** @param start the first bytes of the file, {@link markBytes} or more where it has them */
export function mediaKind(start: Uint8Array): 'image' | 'video' | undefined {
  const text = latin1(start, 0, 12)
  if (text.startsWith('\xff\xd8\xff') || text.startsWith('\x89PNG\r\n\x1a\n')) return 'image'
  if (text.startsWith('RIFF')) return text.slice(8) === 'WEBP' ? 'image' : text.slice(8) === 'AVI ' ? 'video' : undefined
  const isoBox = text.slice(4, 8)
  // MP4 and QuickTime; old QuickTime files begin with another box than ftyp.
  if (['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].includes(isoBox)) return 'video'
  const marks = ['\x1a\x45\xdf\xa3', 'FLV\x01', 'GIF87a', 'GIF89a', 'OggS', '\x30\x26\xb2\x75\x8e\x66\xcf\x11', '\x00\x00\x01\xba', '\x00\x00\x01\xb3']
  if (marks.some((mark) => text.startsWith(mark))) return 'video'
  // A transport stream has its mark at each packet, 188 bytes apart; without a second one to see this is a guess that the decoder checks.
  return start[0] === 0x47 && (start.length <= 188 || start[188] === 0x47) && !/^[\x20-\x7e\r\n\t]+$/.test(text) ? 'video' : undefined
}

/** Names that the upload takes as frames of a folder; the rest of the folder stays where it is. */
export function hasImageName(name: string): boolean {
  return /\.(jpe?g|png|webp)$/i.test(name)
}

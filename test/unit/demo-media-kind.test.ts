/** What an upload is, by its first bytes. */
import { describe, expect, it } from 'vitest'
import { bytesText } from '../../lib/demo/limits.ts'
import { mediaKind } from '../../lib/demo/media-kind.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('mediaKind', () => {
  it.each([
    ['a JPEG', '\xff\xd8\xff\xe0\0\x10JFIF\0\x01', 'image'],
    ['a PNG', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'image'],
    ['a WebP', 'RIFF\x10\0\0\0WEBPVP8 ', 'image'],
    ['an AVI', 'RIFF\x10\0\0\0AVI LIST', 'video'],
    ['an MP4', '\0\0\0\x20ftypisom\0\0', 'video'],
    ['an old QuickTime', '\0\0\0\x08wide\0\0\0\0', 'video'],
    ['a Matroska or WebM', '\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81', 'video'],
    ['a GIF', 'GIF89a\x10\0\x10\0\0\0', 'video'],
    ['an MPEG', '\0\0\x01\xba\x44\0\x04\0\x04\x01', 'video'],
    ['a transport stream', `\x47\x40\x11\x10${'\0'.repeat(184)}\x47\x40`, 'video'],
    ['a sound', 'RIFF\x10\0\0\0WAVEfmt ', undefined],
    ['a playlist', '#EXTM3U\n#EXT', undefined],
    ['a list of files to join', 'ffconcat version 1.0\nfile /etc/passwd', undefined],
    ['text that begins as a transport stream', 'GOT-10k is a benchmark', undefined],
    ['a page', '<!doctype html>', undefined],
    ['an SVG', '<svg xmlns="http://', undefined],
    ['nothing', '', undefined],
    ['the beginning of a mark', '\xff\xd8', undefined],
  ])('%s', (_, text, kind) => expect(mediaKind(bytes(text))).toBe(kind))
})

it('sizes in words', () => expect([17, 1024, 1536, 2 ** 31].map(bytesText)).toEqual(['17 bytes', '1 kiB', '1.5 kiB', '2 GiB']))

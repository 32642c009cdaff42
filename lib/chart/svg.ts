/**
 * Little pieces of SVG. Colours are presentation attributes, for a light page and for programs that know no CSS; where a viewer asks for a
 * dark page, {@link darkStyle} overrides them by class.
 */

/** Distinguishable for colour-blind readers too (Okabe and Ito), on white and on black. */
export const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const

export type Ink = 'strong' | 'plain' | 'faint'

const inks: Record<Ink, string> = { strong: '#1f2933', plain: '#3e4c59', faint: '#616e7c' }

export const darkStyle = [
  '<style>@media screen and (prefers-color-scheme: dark) {',
  '.page { fill: #14181d } .hollow { fill: #14181d } .strong { fill: #f0f4f8 } .plain { fill: #cbd2d9 } .faint { fill: #9aa5b1 }',
  '.grid { stroke: #2b333c } .axis { stroke: #7b8794 } .bar { fill-opacity: 0.75 } .shade { fill-opacity: 0.2 }',
  // The one colour of the palette that is dim on black.
  '[stroke="#0072b2"] { stroke: #3391d6 } [fill="#0072b2"] { fill: #3391d6 }',
  '}</style>',
].join('\n')

export const round = (value: number): string => String(Math.round(value * 100) / 100)

/**
 * What XML has no way to write (control characters, half a surrogate pair) and what would turn the text around it about (overrides of the
 * writing direction): a name from a file may hold any of them.
 */
const unprintable = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu

/** Text as it may stand in the contents and the quoted attributes of SVG and HTML. */
export function escape(s: string): string {
  const plain = s.replaceAll(/[\t\n\r]/g, ' ').replaceAll(unprintable, '\ufffd')
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

export const tooltip = (s: string): string => `<title>${escape(s)}</title>`

export function text(x: number, y: number, s: string, ink: Ink, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${ink}" fill="${inks[ink]}"${attributes === '' ? '' : ` ${attributes}`}>${escape(s)}</text>`
}

export function line(x1: number, y1: number, x2: number, y2: number, kind: 'grid' | 'axis'): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${kind}" stroke="${kind === 'grid' ? '#e8ecf0' : '#9aa5b1'}"/>`
}

/** Pixels that a line of text takes at most, whatever sans-serif font the viewer has. */
export const textWidth = (s: string, fontSize: number, bold = false): number => [...s].length * fontSize * (bold ? 0.68 : 0.62)

/** As much of a text as fits, with an ellipsis where some is left out. */
export function clipTo(s: string, pixels: number, fontSize: number, bold = false): string {
  const fits = Math.max(1, Math.floor(pixels / textWidth('x', fontSize, bold)))
  const characters = [...s]
  return characters.length <= fits ? s : `${characters.slice(0, fits - 1).join('')}…`
}

/** The next of 1, 2, 5 × 10^k. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const lead = rough / power
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power
}

/** A number for an axis or a label, with so many significant digits. */
export function shortNumber(value: number, digits = 6): string {
  if (value === 0) return '0'
  const rounded = Number(value.toPrecision(digits))
  return Math.abs(rounded) >= 1e-3 && Math.abs(rounded) < 1e4 ? String(rounded) : rounded.toExponential().replace('e+', 'e')
}

export const plural = (count: number, noun: string): string => `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`

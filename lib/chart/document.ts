/** The frame around a chart: one SVG document that tells what it shows to those who cannot see it. */
import { darkStyle, escape } from './svg.ts'

export interface ChartHead {
  /** Tells this chart's ids from those of others on one page; letters, digits and hyphens. */
  id: string
  title: string
  /** What is to be seen, in words and numbers. */
  description: string
  width: number
  height: number
}

/** @returns a complete SVG document, which may stand inside a page of HTML as well */
export function chartDocument({ id, title, description, width, height }: ChartHead, body: readonly string[]): string {
  const size = `viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}"`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-labelledby="${id}-title ${id}-desc" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    `<title id="${id}-title">${escape(title)}</title>`,
    `<desc id="${id}-desc">${escape(description)}</desc>`,
    darkStyle,
    `<rect width="100%" height="100%" class="page" fill="#ffffff"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

/** A name of a file, and an id, from words that may hold anything; `taken` gets it and keeps names apart. */
export function safeStem(words: string, taken: Set<string>): string {
  const stem = words.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '').slice(0, 60) || 'plot'
  let name = stem
  for (let n = 2; taken.has(name); n++) name = `${stem}-${n}`
  taken.add(name)
  return name
}

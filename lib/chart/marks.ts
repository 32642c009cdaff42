/** How series are told apart: by colour, by dashes or by the shape of a mark, so that a print in grey and a colour-blind reader lose nothing. */
import { colours, round } from './svg.ts'

export interface SeriesStyle {
  colour: string
  /** stroke-dasharray; '' is a whole line. */
  dashes: string
  /** Of a series that is a point. */
  shape: Shape
  /** The second time that the shapes go round. */
  hollow: boolean
  /** More series than dash patterns: marks on the line tell them apart. */
  lineMark: Shape | undefined
}

export const shapes = ['circle', 'square', 'triangle', 'diamond', 'cross', 'inverted', 'plus'] as const
export type Shape = (typeof shapes)[number]

const dashPatterns = ['', '7 3', '2 2.5', '9 3 2 3', '12 4', '5 2 1.5 2 1.5 2', '4 4'] as const

/** The style of the series of this index. Six colours and seven patterns have no common factor: 42 series pass before a pair comes again. */
export function seriesStyle(index: number): SeriesStyle {
  return {
    colour: colours[index % colours.length] as string,
    dashes: dashPatterns[index % dashPatterns.length] as string,
    shape: shapes[index % shapes.length] as Shape,
    hollow: Math.floor(index / shapes.length) % 2 === 1,
    lineMark: index < dashPatterns.length ? undefined : shapes[(Math.floor(index / dashPatterns.length) - 1) % shapes.length],
  }
}

/** stroke and stroke-dasharray of a line. */
export function strokeOf({ colour, dashes }: SeriesStyle): string {
  return `stroke="${colour}"${dashes === '' ? '' : ` stroke-dasharray="${dashes}"`}`
}

/**
 * A mark with its centre at x, y.
 * @param radius pixels; the shapes have about equal areas
 */
export function mark(x: number, y: number, shape: Shape, colour: string, radius: number, hollow = false): string {
  const path = (...points: (readonly [number, number])[]): string => `M${points.map(([dx, dy]) => `${round(x + dx * radius)} ${round(y + dy * radius)}`).join('L')}`
  const paint = hollow ? `class="hollow" fill="#ffffff" stroke="${colour}" stroke-width="1.6"` : `fill="${colour}"`
  const bars = `fill="none" stroke="${colour}" stroke-width="${round(radius * (hollow ? 0.28 : 0.6))}"`
  switch (shape) {
    case 'circle':
      return `<circle cx="${round(x)}" cy="${round(y)}" r="${round(radius)}" ${paint}/>`
    case 'square':
      return `<path d="${path([-0.89, -0.89], [0.89, -0.89], [0.89, 0.89], [-0.89, 0.89])}Z" ${paint}/>`
    case 'triangle':
      return `<path d="${path([0, -1.25], [1.15, 0.8], [-1.15, 0.8])}Z" ${paint}/>`
    case 'inverted':
      return `<path d="${path([0, 1.25], [1.15, -0.8], [-1.15, -0.8])}Z" ${paint}/>`
    case 'diamond':
      return `<path d="${path([0, -1.3], [1.1, 0], [0, 1.3], [-1.1, 0])}Z" ${paint}/>`
    case 'cross':
      return `<path d="${path([-0.9, -0.9], [0.9, 0.9])}${path([-0.9, 0.9], [0.9, -0.9])}" ${bars}/>`
    case 'plus':
      return `<path d="${path([-1.15, 0], [1.15, 0])}${path([0, -1.15], [0, 1.15])}" ${bars}/>`
  }
}

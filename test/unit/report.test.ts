/** The report of an evaluation: what is in its page, its plots and its tables, and that no name in it can do harm. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Script } from 'node:vm'
import { parseXml, XmlElement } from '@rgrove/parse-xml'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { figuresOf } from '../../lib/evaluation/report/figures.ts'
import { writeReport } from '../../lib/evaluation/report/index.ts'
import { marks, rankTrackers } from '../../lib/evaluation/report/ranking.ts'
import type { Evaluation } from '../../lib/evaluation/types.ts'
import { madeEvaluation, madeVotEvaluation, trackerNames } from '../helpers/made-evaluation.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'report-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const read = (name: string): string => readFileSync(path.join(folder, 'out', name), 'utf8')
const write = (evaluation: Evaluation): Promise<string[]> => writeReport(evaluation, path.join(folder, 'out'))

/** Every element of an XML document. */
function elements(xml: string): XmlElement[] {
  const visit = (element: XmlElement): XmlElement[] => [element, ...element.children.filter((child) => child instanceof XmlElement).flatMap(visit)]
  return visit(parseXml(xml).root as XmlElement)
}

/** The rows of a section's first table: text of the cells, the best between stars, the second between underscores. */
function rowsOf(html: string, section: string): string[][] {
  const part = html.slice(html.indexOf(`<section id="${section}">`))
  const table = part.slice(part.indexOf('<tbody>'), part.indexOf('</tbody>'))
  return [...table.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell!.replaceAll(/<\/?b>/g, '*').replaceAll(/<\/?u>/g, '_').replaceAll(/<[^>]*>/g, '').trim()),
  )
}

describe('files', () => {
  it('are the page, the plots, the tables and the evaluation, the same bytes each time', async () => {
    const files = await write(madeEvaluation())
    const names = ['index.html', 'success.svg', 'precision.svg', 'norm-precision.svg', 'scores.csv', 'sequences.csv', 'attributes.csv', 'evaluation.json']
    expect(files).toEqual(names.map((name) => path.join(folder, 'out', name)))
    expect(readdirSync(path.join(folder, 'out')).sort()).toEqual(names.toSorted())
    const first = names.map(read)
    await write(madeEvaluation())
    expect(names.map(read)).toEqual(first)
  })

  it('hold the evaluation whole, with null for what is not a number', async () => {
    const evaluation = madeEvaluation()
    evaluation.trackers[0]!.scores['precision'] = Number.NaN
    await write(evaluation)
    const back = JSON.parse(read('evaluation.json')) as Evaluation
    expect(back.trackers[0]!.scores['precision']).toBeNull()
    expect({ ...back, trackers: back.trackers.slice(1) }).toEqual({ ...evaluation, trackers: evaluation.trackers.slice(1) })
    expect(read('scores.csv').split('\n')[1]).toMatch(/^SiamFC\+\+ \(AlexNet\),0\.\d+,,0\.\d+,/)
  })

  it('lack tables of what the evaluation does not have', async () => {
    await write(madeVotEvaluation())
    expect(readdirSync(path.join(folder, 'out')).sort()).toEqual(['ar.svg', 'eao-curve.svg', 'evaluation.json', 'index.html', 'scores.csv', 'sequences.csv'])
    expect(read('index.html')).not.toContain('id="attributes"')
  })

  it('replace a link of their name, not what it points to', async () => {
    mkdirSync(path.join(folder, 'out'))
    writeFileSync(path.join(folder, 'precious.txt'), 'mine')
    symlinkSync(path.join(folder, 'precious.txt'), path.join(folder, 'out', 'index.html'))
    await write(madeEvaluation())
    expect(readFileSync(path.join(folder, 'precious.txt'), 'utf8')).toBe('mine')
    expect(read('index.html')).toContain('<!doctype html>')
  })

  it('cannot be written where a file stands: ERR_IO with its name', async () => {
    writeFileSync(path.join(folder, 'out'), '')
    await expect(write(madeEvaluation())).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(folder, 'out') })
  })
})

describe('tables', () => {
  it('rank the trackers and mark the best and the second', async () => {
    const evaluation = madeEvaluation(trackerNames.slice(0, 3))
    evaluation.trackers.reverse()
    await write(evaluation)
    const rows = rowsOf(read('index.html'), 'overall')
    expect(rows.map(([name]) => name)).toEqual(trackerNames.slice(0, 3))
    expect(rows.map(([, auc]) => auc!.replaceAll(/[\d.]/g, ''))).toEqual(['**', '__', ''])
    expect(rows[0]![1]).toBe(`*${evaluation.trackers[2]!.scores['auc']!.toFixed(3)}*`)
  })

  it('take the lower number for the better one where the column says so', async () => {
    const evaluation = madeVotEvaluation(trackerNames.slice(0, 3))
    evaluation.trackers[2]!.scores['robustness'] = 0.01
    await write(evaluation)
    expect(rowsOf(read('index.html'), 'overall')[2]![2]).toBe('*0.010*')
  })

  it('mark what looks equal alike, and nothing that stands alone', () => {
    const column = { better: 'higher', digits: 3 } as const
    expect(marks([0.61249, 0.6121, 0.5, 0.4], column)).toEqual(['best', 'best', 'second', ''])
    expect(marks([0.6, undefined, Number.NaN], column)).toEqual(['', '', ''])
    expect(marks([0.6, 0.5], column)).toEqual(['best', ''])
    expect(marks([3, 1, 2], { better: 'lower', digits: 0 })).toEqual(['', 'best', 'second'])
  })

  it('put a tracker without a score last', () => {
    const evaluation = madeEvaluation(trackerNames.slice(0, 3))
    evaluation.trackers[0]!.scores['auc'] = Number.NaN
    expect(rankTrackers(evaluation).map(({ tracker }) => tracker.tracker)).toEqual([trackerNames[1], trackerNames[2], trackerNames[0]])
  })

  it('show every attribute and sequence; the best tracker of each row is marked', async () => {
    const evaluation = madeEvaluation(trackerNames.slice(0, 3), 4)
    await write(evaluation)
    for (const [section, parts] of [['attributes', 11], ['sequences', 4]] as const) {
      const rows = rowsOf(read('index.html'), section)
      expect(rows).toHaveLength(parts)
      for (const row of rows) {
        const numbers = row.slice(2).map((cell) => Number(cell.replaceAll(/[*_]/g, '')))
        expect(row.slice(2).map((cell) => cell.startsWith('*'))).toEqual(numbers.map((number) => number === Math.max(...numbers)))
      }
    }
  })

  it('of a single tracker have its scores side by side', async () => {
    await write(madeEvaluation(trackerNames.slice(0, 1), 2))
    const html = read('index.html')
    expect(rowsOf(html, 'sequences')[0]).toHaveLength(6)
    expect(html).not.toContain('Best in bold')
  })

  it('tell speed as frames a second and milliseconds', async () => {
    const evaluation = madeEvaluation(trackerNames.slice(0, 2))
    evaluation.trackers[0]!.scores['fps'] = 80
    await write(evaluation)
    expect(rowsOf(read('index.html'), 'speed').find(([name]) => name === trackerNames[0])).toEqual([trackerNames[0], '*80.0*', '*12.5*'])
  })

  it('leave out speed where none is known', async () => {
    const evaluation = madeEvaluation(trackerNames.slice(0, 2))
    for (const { scores } of evaluation.trackers) delete scores['fps']
    await write(evaluation)
    expect(read('index.html')).not.toContain('id="speed"')
  })

  it('say what is missing, and what is odd', async () => {
    const evaluation = madeEvaluation(trackerNames.slice(0, 2), 3)
    evaluation.trackers[1]!.missing = ['Sequence2']
    evaluation.trackers[1]!.sequences = evaluation.trackers[1]!.sequences.filter(({ sequence }) => sequence !== 'Sequence2')
    evaluation.warnings = ['Sequence1 has 3 boxes too many']
    await write(evaluation)
    const html = read('index.html')
    expect(rowsOf(html, 'sequences')[1]).toEqual(['Sequence2', '113', expect.stringMatching(/^0\.\d{3}$/), 'missing'])
    expect(rowsOf(html, 'overall')[1]!.at(-1)).toBe('1')
    expect(html).toContain('1 tracker lacks')
    expect(html).toContain('<li><bdi>Sequence1 has 3 boxes too many</bdi></li>')
    expect(html.slice(html.indexOf('id="missing"'))).toContain('Sequence2')
    expect(read('scores.csv').split('\n').map((row) => row.split(',').at(-1))).toEqual(['missing', '0', '1', ''])
  })

  it('name the conventions', async () => {
    await write(madeEvaluation())
    expect(read('index.html')).toContain('<dt><bdi>precision threshold</bdi></dt><dd><bdi>distance ≤ threshold, 0 to 50 pixels</bdi></dd>')
  })

  it('as CSV have a row for each tracker, sequence and attribute', async () => {
    const evaluation = madeEvaluation(['a, "b"', 'c'], 2)
    await write(evaluation)
    const [head, first] = read('sequences.csv').trimEnd().split('\n')
    expect(head).toBe('tracker,sequence,frames,auc,precision,norm_precision,fps')
    expect(first).toBe(`"a, ""b""",Sequence1,100,${Object.values(evaluation.trackers[0]!.sequences[0]!.scores).join(',')}`)
    expect(read('sequences.csv').trimEnd().split('\n')).toHaveLength(1 + 2 * 2)
    expect(read('attributes.csv').trimEnd().split('\n')).toHaveLength(1 + 2 * 11)
  })
})

describe('plots', () => {
  it('have every tracker in the legend, ranked by the number of that plot', () => {
    const evaluation = madeEvaluation(['worse', 'better'])
    evaluation.trackers[0]!.scores['precision'] = 0.1
    evaluation.trackers[1]!.scores['precision'] = 0.9
    const { svg } = figuresOf(evaluation).find(({ file }) => file === 'precision.svg')!
    const texts = elements(svg).filter(({ name }) => name === 'text').map(({ text }) => text)
    expect(texts.slice(-4)).toEqual(['better', '0.900', 'worse', '0.100'])
    expect(elements(svg).find(({ name }) => name === 'desc')!.text).toContain('Precision: better 0.900, worse 0.100.')
  })

  it('are well-formed, titled and described, and draw a line for each tracker through its points', () => {
    for (const { svg } of figuresOf(madeEvaluation())) {
      const all = elements(svg)
      const root = all[0]!
      const labels = root.attributes['aria-labelledby']!.split(' ')
      expect(labels.map((id) => all.find(({ attributes }) => attributes['id'] === id)?.name)).toEqual(['title', 'desc'])
      expect(all.filter(({ name, attributes }) => name === 'path' && attributes['fill'] === 'none')).toHaveLength(5)
    }
    const line = elements(figuresOf(madeEvaluation())[0]!.svg).find(({ name, attributes }) => name === 'path' && attributes['fill'] === 'none')!
    expect(line.attributes['d']!.match(/[ML]/g)).toHaveLength(21)
  })

  it('tell trackers apart without colour, all of forty', () => {
    const [figure] = figuresOf(madeEvaluation(Array.from({ length: 40 }, (_, i) => `tracker ${i}`)))
    // A curve's group is a line and, after the first seven, marks of one shape.
    const groups = elements(figure!.svg).filter(({ name, children }) => name === 'g' && children.some((child) => child instanceof XmlElement && child.name === 'path' && child.attributes['fill'] === 'none' && child.attributes['stroke-linejoin'] !== undefined))
    const looks = groups.map(({ children }) => {
      const [, line, ...markers] = children.filter((child) => child instanceof XmlElement)
      const shape = (marker: XmlElement | undefined): string => (marker === undefined ? '' : marker.name + marker.attributes['d']?.replaceAll(/[\d. -]+/g, '_') + String(firstSlope(marker)))
      return `${line!.attributes['stroke-dasharray'] ?? ''} ${shape(markers[0])}`
    })
    expect(new Set(looks).size).toBe(40)
  })

  /** Tells shapes of as many corners apart: where the second corner lies from the first. */
  function firstSlope(marker: XmlElement): string {
    const [x1, y1, x2, y2] = (marker.attributes['d'] ?? '').match(/-?[\d.]+/g)?.map(Number) ?? []
    return x1 === undefined ? '' : `${Math.sign(Math.round(x2! - x1))}${Math.sign(Math.round(y2! - y1!))}`
  }

  it('keep a tracker to its line style, whatever its rank in one plot', () => {
    const evaluation = madeEvaluation(['first', 'second'])
    evaluation.trackers[0]!.scores['precision'] = 0.1
    const dashesOf = (svg: string, name: string): string | undefined =>
      elements(svg).filter((one) => one.name === 'g').flatMap((one) => one.children.filter((child) => child instanceof XmlElement)).find((child, i, all) => child.name === 'path' && all[i - 1]?.name === 'title' && all[i - 1]!.text.startsWith(`${name}:`))?.attributes['stroke']
    const colours = figuresOf(evaluation).map(({ svg }) => dashesOf(svg, 'second'))
    expect(new Set(colours).size).toBe(1)
    expect(colours[0]).toMatch(/^#/)
  })

  it('show where a number is read off, and the range that it is averaged over', () => {
    const vot = figuresOf(madeVotEvaluation())[0]!.svg
    expect(elements(vot).some(({ attributes }) => attributes['class'] === 'shade')).toBe(true)
    const [success, precision] = figuresOf(madeEvaluation()).map(({ svg }) => elements(svg).filter(({ attributes }) => attributes['stroke-dasharray'] === '4 3').length)
    expect([success, precision]).toEqual([0, 1])
  })

  it('draw a mark where a curve is one point', () => {
    const { svg } = figuresOf(madeVotEvaluation(trackerNames.slice(0, 2))).find(({ file }) => file === 'ar.svg')!
    const circles = elements(svg).filter(({ name }) => name === 'circle')
    expect(circles).toHaveLength(2) // in the plot and in the legend
    expect(svg).not.toContain('NaN')
  })

  it('break a curve where it is not a number', () => {
    const evaluation = madeEvaluation(['one'])
    const [curve] = evaluation.trackers[0]!.curves
    evaluation.trackers[0]!.curves[0] = { ...curve!, y: curve!.y.map((value, i) => (i === 10 ? Number.NaN : value)) }
    const line = elements(figuresOf(evaluation)[0]!.svg).find(({ name, attributes }) => name === 'path' && attributes['fill'] === 'none')!
    expect(line.attributes['d']!.match(/M/g)).toHaveLength(2)
    expect(line.attributes['d']).not.toContain('NaN')
  })

  it.each([['no values', () => []], ['nothing but NaN', (n: number) => Array.from({ length: n }, () => Number.NaN)], ['zeros', (n: number) => Array.from({ length: n }, () => 0)], ['large numbers', (n: number) => Array.from({ length: n }, (_, i) => i * 1e6)]])('take %s', (_, make) => {
    const evaluation = madeEvaluation(['one'])
    evaluation.trackers[0]!.curves = evaluation.trackers[0]!.curves.map((curve) => ({ ...curve, x: make(curve.x.length), y: make(curve.x.length) }))
    for (const { svg } of figuresOf(evaluation)) {
      elements(svg)
      expect(svg).not.toMatch(/NaN|Infinity/)
    }
  })
})

describe('hostile names', () => {
  const hostile = ['</title><script>alert(1)</script>', '"onload="alert(1)', "'><img src=x onerror=alert(1)>", '=HYPERLINK("http://x")', 'a\u0000b\u001b[31m', '\u202egnp.exe', 'half \ud800 pair', ']]>&<!--', '../../etc/passwd', '__proto__', `${'long'.repeat(2000)}`, 'two\nlines']

  function hostileEvaluation(): Evaluation {
    const evaluation = madeEvaluation(hostile, hostile.length)
    const name = hostile[0]!
    evaluation.benchmark = `OTB${name}`
    evaluation.subset = name
    evaluation.compat = name
    evaluation.conventions = { [name]: name }
    evaluation.warnings = [...hostile]
    for (const tracker of evaluation.trackers) {
      tracker.source = name
      tracker.missing = [...hostile]
      tracker.sequences.forEach((part, i) => (part.sequence = hostile[i]!))
      tracker.attributes.forEach((part, i) => (part.attribute = hostile[i]!))
      tracker.curves = hostile.map((id) => ({ ...tracker.curves[0]!, id, title: id, xLabel: id, yLabel: id }))
    }
    return evaluation
  }

  it('stay text in the page: no element and no attribute of theirs', async () => {
    await write(hostileEvaluation())
    const html = read('index.html')
    const allowed = new Set(['html', 'head', 'meta', 'title', 'style', 'body', 'header', 'h1', 'h2', 'h3', 'p', 'a', 'nav', 'main', 'section', 'div', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'b', 'u', 'span', 'bdi', 'figure', 'svg', 'desc', 'g', 'rect', 'line', 'path', 'circle', 'text', 'details', 'summary', 'dl', 'dt', 'dd', 'ul', 'li', 'footer', 'script', '!doctype'])
    const tags = [...html.replace(/<script>[^]*?<\/script>/, '').matchAll(/<\/?(!?[a-zA-Z][\w-]*)((?:\s+[\w-]+(?:="[^"<>]*")?)*)\s*\/?>/g)]
    expect(tags.map(([, tag]) => tag!.toLowerCase()).filter((tag) => !allowed.has(tag))).toEqual([])
    expect(tags.filter(([, , attributes]) => /\son\w+=/i.test(attributes!.replaceAll(/"[^"]*"/g, '""')))).toEqual([])
    // Every angle bracket outside the style and the script belongs to one of those tags.
    const rest = html.replaceAll(/<style>[^]*?<\/style>/g, '').replace(/<script>[^]*?<\/script>/, '').replaceAll(/<\/?(!?[a-zA-Z][\w-]*)((?:\s+[\w-]+(?:="[^"<>]*")?)*)\s*\/?>/g, '')
    expect(rest).not.toMatch(/[<>]/)
    // oxlint-disable-next-line no-control-regex
    expect(html).not.toMatch(/[\u0000-\u0008\u001b\u202e]/)
  })

  it('leave plots well-formed and their files inside the folder', async () => {
    const files = await write(hostileEvaluation())
    const names = readdirSync(path.join(folder, 'out'))
    expect(names.filter((name) => !/^[a-z0-9-]+\.(svg|html|csv|json)$/.test(name))).toEqual([])
    expect(names).toHaveLength(files.length)
    expect(names.filter((name) => name.endsWith('.svg'))).toHaveLength(hostile.length)
    expect(readdirSync(folder)).toEqual(['out'])
    for (const name of names.filter((one) => one.endsWith('.svg'))) {
      const all = elements(read(name))
      expect(all.some((element) => element.name === 'script' || Object.keys(element.attributes).some((attribute) => attribute.startsWith('on')))).toBe(false)
    }
  })

  it('are no formula in a spreadsheet', async () => {
    await write(hostileEvaluation())
    const cells = read('scores.csv').split('\n').map((row) => row.replace(/^"/, ''))
    expect(cells.filter((cell) => /^[=+\-@]/.test(cell))).toEqual([])
    expect(read('scores.csv')).toContain(`"'=HYPERLINK(""http://x"")",`)
  })

  it('the page lets nothing run and load but its own few lines', async () => {
    await write(hostileEvaluation())
    const html = read('index.html')
    expect(html).toMatch(/http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]+='/)
    const [, script] = /<script>([^]*)<\/script>/.exec(html)!
    expect(html).toContain(`script-src 'sha256-${createHash('sha256').update(script!).digest('base64')}'`)
    expect(() => new Script(script!)).not.toThrow()
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/(?:src|href|xlink:href)="(?:https?:)?\/\//)
  })
})

/**
 * Annotations of ILSVRC2015 (VID and DET): one small XML file a picture, with its size and a box for each object.
 *
 * There are 1.1 million of them in VID. Files in the usual form (plain ASCII, elements without attributes, no comments, entities or
 * declarations) are read by a scanner of our own, about five times faster than the XML parser, which reads all others. Both give the same.
 */
import { XmlElement, XmlError, XmlText, parseXml } from '@rgrove/parse-xml'

/** One `<object>`. */
export interface IlsvrcObject {
  /** Text of `<trackid>`, trimmed; null where there is none (DET). */
  trackId: string | null
  /** xmin, ymin, xmax, ymax in pixels: both corners belong to the box. */
  corners: [number, number, number, number]
  /** Why the object has no box that could be read; its corners are then NaN. */
  problem: string | null
  /** 1-based line of `<object>`. */
  line: number
}

export interface IlsvrcAnnotation {
  /** Of the picture, pixels; 0 where the file does not say. */
  width: number
  height: number
  objects: IlsvrcObject[]
}

/** Why a file is not XML, and where. */
export class IlsvrcXmlError extends Error {
  readonly line: number

  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/**
 * @param text  the whole file
 * @throws IlsvrcXmlError when it is not well-formed XML
 */
export function parseIlsvrc(text: string): IlsvrcAnnotation {
  return parseUsualForm(text) ?? parseAnyXml(text)
}

/** What an annotation consists of, gathered element by element; the original reads the first element of each name. */
class Gatherer {
  readonly #text: string
  readonly annotation: IlsvrcAnnotation = { width: 0, height: 0, objects: [] }
  #trackId: string | null = null
  readonly #corners: (string | null)[] = [null, null, null, null]
  #boxes = 0
  #seen = 0

  constructor(text: string) {
    this.#text = text
  }

  open(depth: number, name: string): void {
    if (depth === 1 && name === 'object') {
      this.#trackId = null
      this.#corners.fill(null)
      this.#boxes = 0
    } else if (depth === 2 && name === 'bndbox') this.#boxes += 1
  }

  /** An element with nothing but text. `parent` is the element around it. */
  leaf(depth: number, parent: string, name: string, value: string): void {
    if (depth === 2 && parent === 'size') {
      if (name === 'width') this.annotation.width ||= sizeOf(value)
      else if (name === 'height') this.annotation.height ||= sizeOf(value)
    } else if (depth === 2 && parent === 'object' && name === 'trackid') this.#trackId ??= value.trim()
    else if (depth === 3 && parent === 'bndbox') {
      const side = sides.indexOf(name)
      if (side >= 0) this.#corners[side] ??= value
    }
  }

  close(depth: number, name: string, start: number): void {
    if (depth !== 1 || name !== 'object') return
    const corners: IlsvrcObject['corners'] = [0, 0, 0, 0]
    let problem: string | null = this.#boxes === 0 ? 'the object has no bndbox' : null
    for (let i = 0; problem === null && i < 4; i += 1) {
      const value = this.#corners[i] ?? null
      const trimmed = value?.trim() ?? ''
      corners[i] = trimmed === '' ? Number.NaN : Number(trimmed)
      if (value === null) problem = `its bndbox has no ${sides[i]}`
      else if (!Number.isFinite(corners[i])) problem = `expected a number for ${sides[i]} but found ${JSON.stringify(value.slice(0, 40))}`
    }
    if (problem !== null) corners.fill(Number.NaN)
    this.annotation.objects.push({ trackId: this.#trackId, corners, problem, line: this.#lineOf(start) })
  }

  /** Lines are counted on from the last object. */
  #line = 1
  #lineOf(offset: number): number {
    for (let at = this.#text.indexOf('\n', this.#seen); at >= 0 && at < offset; at = this.#text.indexOf('\n', at + 1)) {
      this.#line += 1
      this.#seen = at + 1
    }
    return this.#line
  }
}

const sides = ['xmin', 'ymin', 'xmax', 'ymax']

function sizeOf(value: string): number {
  const size = Number(value.trim())
  return Number.isSafeInteger(size) && size > 0 ? size : 0
}

const [lessThan, greaterThan, slash, space, tab, lineFeed, carriageReturn] = [0x3c, 0x3e, 0x2f, 0x20, 0x09, 0x0a, 0x0d]

/** Letters, digits and `_`: 1 where a name may begin with it, 2 where it may only go on. */
const nameBytes = Uint8Array.from({ length: 256 }, (_, code) => (code > 127 ? 0 : /[A-Za-z_]/.test(String.fromCharCode(code)) ? 1 : /\d/.test(String.fromCharCode(code)) ? 2 : 0))

const nameByte = (code: number): number => (code < 256 ? (nameBytes[code] as number) : 0)

/** @returns null where the file is not in the usual form, be it wrong or just different */
export function parseUsualForm(text: string): IlsvrcAnnotation | null {
  // XML reads a carriage return as a line end; those before a line feed only matter in an element's text.
  if (text.includes('\r') && /\r(?!\n)/.test(text)) return null
  const gatherer = new Gatherer(text)
  const names: string[] = []
  const starts: number[] = []
  const { length } = text
  let pos = skipSpace(text, 0)
  for (;;) {
    if (text.charCodeAt(pos) !== lessThan) return null
    const start = pos
    const closing = text.charCodeAt(pos + 1) === slash
    pos += closing ? 2 : 1
    const nameStart = pos
    if (nameByte(text.charCodeAt(pos)) !== 1) return null
    do pos += 1
    while (nameByte(text.charCodeAt(pos)) !== 0)
    if (text.charCodeAt(pos) !== greaterThan) return null
    const name = text.slice(nameStart, pos)
    pos += 1
    if (closing) {
      if (names.pop() !== name) return null
      gatherer.close(names.length, name, starts.pop() ?? 0)
      pos = skipSpace(text, pos)
      if (names.length === 0) return pos === length ? gatherer.annotation : null
      continue
    }
    const depth = names.length
    if (depth > 8) return null
    gatherer.open(depth, name)
    // Text up to the next tag: an element holds text or elements; an end right behind the text makes it a leaf.
    const textStart = pos
    let plain = true
    let returns = false
    for (let code = text.charCodeAt(pos); code !== lessThan; code = text.charCodeAt((pos += 1))) {
      if (code === space || code === tab || code === lineFeed) continue
      if (code === carriageReturn) {
        returns = true
        continue
      }
      // '&', ']' (as of ']]>'), control characters and all beyond ASCII, also the NaN of the text's end.
      if (!(code > 0x20 && code < 0x7f) || code === 0x26 || code === 0x5d) return null
      plain = false
    }
    if (text.startsWith(name, pos + 2) && text.charCodeAt(pos + 1) === slash && text.charCodeAt(pos + 2 + name.length) === greaterThan) {
      if (returns) return null
      gatherer.leaf(depth, names[depth - 1] ?? '', name, text.slice(textStart, pos))
      gatherer.close(depth, name, start)
      pos = skipSpace(text, pos + 3 + name.length)
      if (depth === 0) return pos === length ? gatherer.annotation : null
    } else if (plain) {
      names.push(name)
      starts.push(start)
    } else return null
  }
}

function skipSpace(text: string, from: number): number {
  let pos = from
  for (let code = text.charCodeAt(pos); code === space || code === tab || code === lineFeed || code === carriageReturn; code = text.charCodeAt(pos)) pos += 1
  return pos
}

/** The same by the XML parser. */
export function parseAnyXml(raw: string): IlsvrcAnnotation {
  const text = raw.replaceAll(/\r\n?/g, '\n')
  const gatherer = new Gatherer(text)
  const visit = (element: XmlElement, depth: number, parent: string): void => {
    gatherer.open(depth, element.name)
    const children = element.children.filter((child) => child instanceof XmlElement)
    if (children.length === 0) gatherer.leaf(depth, parent, element.name, element.children.map((child) => (child instanceof XmlText ? child.text : '')).join(''))
    // Nothing that counts is deeper.
    else if (depth < 3) for (const child of children) visit(child, depth + 1, element.name)
    gatherer.close(depth, element.name, element.start)
  }
  let root: XmlElement | null
  try {
    ;({ root } = parseXml(text, { includeOffsets: true }))
  } catch (error) {
    if (error instanceof XmlError) throw new IlsvrcXmlError(`not well-formed XML: ${(error.message.split(' (line')[0] ?? '').split('\n')[0] ?? ''}`, error.line)
    if (error instanceof RangeError) throw new IlsvrcXmlError('not well-formed XML: its elements are nested too deep', 1)
    throw error
  }
  if (root !== null) visit(root, 0, '')
  return gatherer.annotation
}

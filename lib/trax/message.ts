/**
 * Messages of the TraX protocol: one line each, `@@TRAX:type "argument" … "key=value" …`. All other lines are no messages.
 * Source: the specification of the protocol (trax.readthedocs.io); quirks of the reference library are named where they are followed.
 */
import { SiamError } from '../errors.ts'

export type TraxType = 'hello' | 'initialize' | 'frame' | 'state' | 'quit'

export interface TraxMessage {
  type: TraxType
  /** In their order, unescaped. */
  args: string[]
  /** Named arguments; the last of a name counts. */
  properties: ReadonlyMap<string, string>
}

const prefix = '@@TRAX:'
/** A name that may stand before `=`. What is none is a part of the argument: base64 ends with `=`. */
const key = /^[A-Za-z0-9._]{1,64}$/
const types: Readonly<Record<string, TraxType>> = { hello: 'hello', initialize: 'initialize', frame: 'frame', state: 'state', status: 'state', quit: 'quit' }

/**
 * @param line  without its line end
 * @returns undefined for a line without the prefix
 * @throws ERR_DATA for an unknown message, an argument whose quote or escape is not closed, or something right behind a closing quote
 */
export function parseMessage(line: string): TraxMessage | undefined {
  if (!line.startsWith(prefix)) return undefined
  const text = line.endsWith('\r') ? line.slice(0, -1) : line
  const end = text.indexOf(' ')
  const name = text.slice(prefix.length, end === -1 ? undefined : end)
  const type = Object.hasOwn(types, name.toLowerCase()) ? types[name.toLowerCase()] : undefined
  if (type === undefined) throw malformed(`the message ${shown(name)} is not known`)
  const args: string[] = []
  const properties = new Map<string, string>()
  let at = end === -1 ? text.length : end
  while (at < text.length) {
    if (text[at] === ' ') {
      at++
      continue
    }
    const { value, equals, next } = readArgument(text, at)
    at = next
    const split = equals === undefined ? undefined : value.slice(0, equals)
    if (split !== undefined && key.test(split)) properties.set(split, value.slice(split.length + 1))
    else args.push(value)
  }
  return { type, args, properties }
}

interface Argument {
  value: string
  /** Where its first `=` that is not escaped stands. */
  equals?: number
  /** Where the text goes on. */
  next: number
}

function readArgument(text: string, start: number): Argument {
  const quoted = text[start] === '"'
  const special = quoted ? /["\\]/g : /[ \\]/g
  let value = ''
  let at = quoted ? start + 1 : start
  let equals: number | undefined
  for (;;) {
    special.lastIndex = at
    const found = special.exec(text)
    const until = found?.index ?? text.length
    const plain = text.slice(at, until)
    // Images are megabytes in one argument: only the part that may hold a name is looked through.
    if (equals === undefined && value.length <= 64) {
      const sign = plain.slice(0, 65).indexOf('=')
      if (sign !== -1) equals = value.length + sign
    }
    value += plain
    if (found === null) {
      if (quoted) throw malformed('a quote is not closed')
      return { value, equals, next: until }
    }
    if (found[0] === '\\') {
      const escaped = text[until + 1]
      if (escaped === undefined) throw malformed('the line ends within an escape')
      value += escaped === 'n' ? '\n' : escaped
      at = until + 2
      continue
    }
    const next = quoted ? until + 1 : until
    if (quoted && next < text.length && text[next] !== ' ') throw malformed(`expected a space behind a closing quote but found ${shown(text.slice(next, next + 20))}`)
    return { value, equals, next }
  }
}

/** @returns the line, with its line end; written as the reference library does: everything in quotes, a space behind each */
export function formatMessage(type: TraxType, args: readonly string[] = [], properties: Readonly<Record<string, string>> = {}): string {
  const parts = [...args.map(escaped), ...Object.entries(properties).map(([name, value]) => `${name}=${escaped(value)}`)]
  return `${prefix}${type} ${parts.map((part) => `"${part}" `).join('')}\n`
}

function escaped(text: string): string {
  return text.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll(/\r?\n|\r/g, String.raw`\n`)
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}…` : text)
}

export function malformed(what: string): SiamError {
  return new SiamError('ERR_DATA', `malformed TraX message: ${what}`)
}

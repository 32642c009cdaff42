/**
 * Python regular expressions, as the original's YAML files hold them, as JavaScript ones.
 *
 * The original compiles with `re.compile` and asks `search(parameter_name)`: a match anywhere counts. Parameter names are ASCII, so
 * `\d`, `\w`, `\s` and `\b` keep JavaScript's (ASCII) meaning. What JavaScript cannot express is an error, never a silent change.
 */
import { SiamError } from '../errors.ts'

/**
 * @param pattern text of a Python `re` pattern
 * @returns a RegExp for which `test(text)` is Python's `re.search(pattern, text) is not None`
 * @throws ERR_CONFIG when the pattern is not valid, or uses what JavaScript lacks (conditionals, atomic groups, possessive quantifiers)
 */
export function compilePythonRegex(pattern: string): RegExp {
  const { source, flags } = new Translator(pattern).translate()
  try {
    return new RegExp(source, flags)
  } catch (cause) {
    throw bad(pattern, (cause as Error).message.replace(/^Invalid regular expression: /, '').replace(`/${source}/${flags}: `, ''), cause)
  }
}

function bad(pattern: string, reason: string, cause?: unknown): SiamError {
  return new SiamError('ERR_CONFIG', `Expected a Python regular expression but received ${JSON.stringify(pattern)}: ${reason}`, { cause })
}

const syntaxCharacters = new Set('^$\\.*+?()[]{}|/')
const endOfText = '(?![\\s\\S])'
const sameInBoth = new Set('dDsSwWbBfnrtv')

class Translator {
  readonly #pattern: string
  #at = 0
  #ignoreCase = false
  #multiLine = false
  #dotAll = false
  #verbose = false

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  translate(): { source: string; flags: string } {
    // Global flags must stand first, as Python ≥ 3.11 demands.
    for (let m = /^\(\?([aiLmsux]+)\)/.exec(this.#rest()); m !== null; m = /^\(\?([aiLmsux]+)\)/.exec(this.#rest())) {
      this.#setFlags(m[1] as string)
      this.#at += m[0].length
    }
    let out = ''
    while (this.#at < this.#pattern.length) out += this.#next()
    return { source: out, flags: `u${this.#ignoreCase ? 'i' : ''}${this.#multiLine ? 'm' : ''}` }
  }

  #rest(): string {
    return this.#pattern.slice(this.#at)
  }

  #fail(reason: string): never {
    throw bad(this.#pattern, `${reason} at position ${this.#at}`)
  }

  #setFlags(letters: string): void {
    for (const letter of letters) {
      if (letter === 'i') this.#ignoreCase = true
      else if (letter === 'm') this.#multiLine = true
      else if (letter === 's') this.#dotAll = true
      else if (letter === 'x') this.#verbose = true
      else if (letter === 'L') this.#fail('the flag L is for bytes only')
    }
  }

  #next(): string {
    const c = this.#pattern[this.#at] as string
    switch (c) {
      case '\\':
        return this.#escape(false)
      case '[':
        return this.#class()
      case '(':
        return this.#group()
      case '.':
        this.#at++
        return this.#dotAll ? '[\\s\\S]' : '[^\\n]'
      case '^':
        this.#at++
        return this.#multiLine ? '(?<=(?<![\\s\\S])|\\n)' : '(?<![\\s\\S])'
      case '$':
        this.#at++
        // Python's $ also matches before a newline that ends the text.
        return this.#multiLine ? `(?=\\n|${endOfText})` : `(?=\\n?${endOfText})`
      case '{':
        return this.#brace()
      case '*':
      case '+':
      case '?':
        this.#at++
        return this.#quantifier(c)
      case '}':
      case ']':
        this.#at++
        return `\\${c}`
      case '/':
        this.#at++
        return '\\/'
      default:
        this.#at++
        if (this.#verbose && /\s/.test(c)) return ''
        if (this.#verbose && c === '#') {
          const end = this.#pattern.indexOf('\n', this.#at)
          this.#at = end < 0 ? this.#pattern.length : end + 1
          return ''
        }
        return c
    }
  }

  /** What may follow a quantifier: `?` makes it lazy; `+` would make it possessive, which JavaScript lacks. */
  #quantifier(text: string): string {
    if (this.#pattern[this.#at] === '+') this.#fail('possessive quantifiers are not supported')
    if (this.#pattern[this.#at] === '?') {
      this.#at++
      return `${text}?`
    }
    return text
  }

  #brace(): string {
    const m = /^\{(\d*)(,?)(\d*)\}/.exec(this.#rest())
    if (m === null || (m[1] === '' && m[3] === '')) {
      // Not a repetition: Python takes the brace as a character.
      this.#at++
      return '\\{'
    }
    this.#at += m[0].length
    return this.#quantifier(m[2] === '' ? `{${m[1]}}` : `{${m[1] || '0'},${m[3]}}`)
  }

  #group(): string {
    const rest = this.#rest()
    if (!rest.startsWith('(?')) {
      this.#at++
      return '('
    }
    const comment = /^\(\?#[^)]*\)/.exec(rest)
    if (comment !== null) {
      this.#at += comment[0].length
      return ''
    }
    const named = /^\(\?P<([A-Za-z_]\w*)>/.exec(rest)
    if (named !== null) {
      this.#at += named[0].length
      return `(?<${named[1]}>`
    }
    const reference = /^\(\?P=([A-Za-z_]\w*)\)/.exec(rest)
    if (reference !== null) {
      this.#at += reference[0].length
      return `\\k<${reference[1]}>`
    }
    const plain = /^\(\?(?::|=|!|<=|<!)/.exec(rest)
    if (plain !== null) {
      this.#at += plain[0].length
      return plain[0]
    }
    const scoped = /^\(\?([aimsux]*)(-[imsx]+)?:/.exec(rest)
    if (scoped !== null) {
      const letters = (scoped[1] as string).replace(/[au]/g, '')
      if (letters === '' && scoped[2] === undefined) {
        this.#at += scoped[0].length
        return '(?:'
      }
      this.#fail('flags for a part of the pattern are not supported; write them first, as (?i)')
    }
    if (rest.startsWith('(?>')) this.#fail('atomic groups are not supported')
    if (rest.startsWith('(?(')) this.#fail('conditional groups are not supported')
    if (/^\(\?[aiLmsux]+\)/.test(rest)) this.#fail('global flags not at the start of the expression')
    return this.#fail(`unknown extension ${rest.slice(0, 4)}`)
  }

  #class(): string {
    let out = '['
    this.#at++
    if (this.#pattern[this.#at] === '^') {
      out += '^'
      this.#at++
    }
    for (let first = true; ; first = false) {
      const c = this.#pattern[this.#at]
      if (c === undefined) this.#fail('unterminated character set')
      if (c === ']' && !first) {
        this.#at++
        return `${out}]`
      }
      if (c === '\\') out += this.#escape(true)
      else {
        this.#at++
        out += c === '[' || c === ']' || c === '^' ? `\\${c}` : c
      }
    }
  }

  #escape(inClass: boolean): string {
    const rest = this.#rest()
    const c = rest[1]
    if (c === undefined) this.#fail('bad escape (end of pattern)')
    const take = (length: number, text: string): string => {
      this.#at += length
      return text
    }
    if (!inClass) {
      if (c === 'A') return take(2, '(?<![\\s\\S])')
      if (c === 'Z') return take(2, endOfText)
    }
    if (c === 'b' && inClass) return take(2, '\\x08')
    if (c === 'B' && inClass) this.#fail('bad escape \\B')
    if (sameInBoth.has(c)) return take(2, `\\${c}`)
    if (c === 'a') return take(2, '\\x07')
    const code = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(rest)
    if (code !== null) return take(code[0].length, `\\u{${(code[1] ?? code[2] ?? code[3]) as string}}`)
    // \0, \012 and \377 are octal; \1 … \99 are groups, outside a class.
    const octal = (inClass ? /^\\([0-7]{1,3})/ : /^\\(0[0-7]{0,2}|[0-3][0-7]{2})/).exec(rest)
    if (octal !== null) return take(octal[0].length, `\\u{${Number.parseInt(octal[1] as string, 8).toString(16)}}`)
    const group = /^\\([1-9]\d?)/.exec(rest)
    if (group !== null && !inClass) return take(group[0].length, `(?:\\${group[1]})`)
    if (/[A-Za-z0-9]/.test(c)) this.#fail(`bad escape \\${c}`)
    return take(2, syntaxCharacters.has(c) || (inClass && c === '-') ? `\\${c}` : c)
  }
}

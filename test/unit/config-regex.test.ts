/** Python regular expressions in JavaScript; the expected answers are CPython 3.11's `re.search`. */
import { describe, expect, it } from 'vitest'
import { compilePythonRegex } from '../../lib/config/index.ts'
import { SiamError } from '../../lib/errors.ts'

const names = ['basemodel.conv1.conv.weight', 'basemodel.conv5.bn.bias', 'head.bi', 'c_x.bn.weight', 'basemodel._model.stage4.0.branch1.0.weight']

describe('patterns of the original', () => {
  it.each([
    ['basemodel', [true, true, false, false, true]],
    ['^((?!basemodel).)*$', [false, false, true, true, false]],
    ['basemodel\\.conv.\\.conv.*', [true, false, false, false, false]],
    ['basemodel\\.conv5\\.conv.*', [false, false, false, false, false]],
    ['basemodel.*\\.conv\\.', [true, false, false, false, false]],
    ['basemodel\\._model\\.stage4.*(conv1\\.0|conv5\\.0|branch1\\.(0|2)|branch2\\.(0|3|5))', [false, false, false, false, true]],
  ])('%s', (pattern, expected) => {
    const regex = compilePythonRegex(pattern)
    expect(names.map((name) => regex.test(name))).toEqual(expected)
  })
})

describe('what Python writes differently', () => {
  it.each<[pattern: string, text: string, found: boolean]>([
    ['(?P<layer>conv\\d)\\..*(?P=layer)', 'conv1.x.conv1', true],
    ['(?P<layer>conv\\d)\\..*(?P=layer)', 'conv1.x.conv2', false],
    ['\\Abasemodel', 'basemodel.conv1', true],
    ['\\Abasemodel', 'x.basemodel', false],
    ['weight\\Z', 'conv.weight', true],
    ['weight\\Z', 'conv.weight\n', false],
    ['weight$', 'conv.weight\n', true],
    ['weight$', 'conv.weight\nx', false],
    ['(?m)^b$', 'a\nb\nc', true],
    ['^b', 'a\nb', false],
    ['(?i)BASEMODEL', 'basemodel.conv1', true],
    ['(?s)a.b', 'a\nb', true],
    ['a.b', 'a\nb', false],
    ['a.b', 'a\rb', true],
    ['(?x) conv # the layer\n 1', 'conv1', true],
    ['a{,2}b', 'aab', true],
    ['^a{,2}b', 'aaab', false],
    ['a{', 'a{', true],
    ['x{y}', 'x{y}', true],
    ['[]a]', ']', true],
    ['[^]]', ']', false],
    ['[[]', '[', true],
    ['[\\w.]+\\-x', 'a.b-x', true],
    ['a\\/b', 'a/b', true],
    ['\\_\\#', '_#', true],
    ['\\141\\x62\\u0063', 'abc', true],
    ['(a)(b)\\2', 'abb', true],
    ['(a)\\1\\060', 'aa0', true],
    ['[\\b]', '\b', true],
    ['a(?#remark)b', 'ab', true],
    ['(?<=conv)5', 'conv5', true],
    ['(?<!conv)5', 'conv5', false],
    ['a+?b', 'aab', true],
  ])('%s in %j is %s', (pattern, text, found) => {
    expect(compilePythonRegex(pattern).test(text)).toBe(found)
  })
})

describe('what is refused', () => {
  it.each([
    ['(unclosed', /Unterminated group/],
    ['*a', /Nothing to repeat/],
    ['[abc', /unterminated character set/],
    ['\\q', /bad escape \\q at position 0/],
    ['a\\', /bad escape \(end of pattern\)/],
    ['(?<name>a)', /unknown extension \(\?<n/],
    ['a(?i)b', /global flags not at the start/],
    ['(?>a)', /atomic groups are not supported/],
    ['a++', /possessive quantifiers are not supported/],
    ['(a)?(?(1)b|c)', /conditional groups are not supported/],
    ['(?i:a)', /flags for a part of the pattern are not supported/],
    ['[z-a]', /out of order/],
  ])('%s', (pattern, reason) => {
    let error: unknown
    try {
      compilePythonRegex(pattern)
    } catch (e) {
      error = e
    }
    expect(error).toBeInstanceOf(SiamError)
    expect((error as SiamError).code).toBe('ERR_CONFIG')
    expect((error as SiamError).message).toMatch(reason)
    expect((error as SiamError).message).toContain(JSON.stringify(pattern))
  })
})

/** ILSVRC annotations: the fast scanner gives what the XML parser gives, or leaves the file to it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IlsvrcXmlError, parseAnyXml, parseIlsvrc, parseUsualForm } from '../../lib/data/ilsvrc-xml.ts'

const vid = `<annotation>
	<folder>ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005004</folder>
	<filename>000000</filename>
	<source>
		<database>ILSVRC_2015</database>
	</source>
	<size>
		<width>1280</width>
		<height>720</height>
	</size>
	<object>
		<trackid>1</trackid>
		<name>n02084071</name>
		<bndbox>
			<xmax>541</xmax>
			<xmin>100</xmin>
			<ymax>400</ymax>
			<ymin>30</ymin>
		</bndbox>
		<occluded>0</occluded>
		<generated>1</generated>
	</object>
	<object>
		<trackid>0</trackid>
		<name></name>
		<bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>
	</object>
</annotation>
`

describe('an annotation', () => {
  it('has its picture\'s size and its objects with their lines', () => {
    const expected = {
      width: 1280,
      height: 720,
      objects: [
        { trackId: '1', corners: [100, 30, 541, 400], problem: null, line: 11 },
        { trackId: '0', corners: [1.5, 2, 3, 4], problem: null, line: 23 },
      ],
    }
    expect(parseUsualForm(vid)).toEqual(expected)
    expect(parseAnyXml(vid)).toEqual(expected)
    expect(parseIlsvrc(vid.replaceAll('\n', '\r\n'))).toEqual(expected)
    expect(parseIlsvrc(`<?xml version="1.0"?>\n<!-- x -->${vid.replace('<size>', '<size a="1">')}`)).toEqual({ ...expected, objects: expected.objects.map((object) => ({ ...object, line: object.line + 1 })) })
  })

  it('without objects or size has none', () => {
    for (const parse of [parseUsualForm, parseAnyXml]) {
      expect(parse('<annotation><folder>x</folder></annotation>')).toEqual({ width: 0, height: 0, objects: [] })
      expect(parse('<annotation></annotation>')).toEqual({ width: 0, height: 0, objects: [] })
      expect(parse('<annotation><size><width>-3</width><height>x</height></size></annotation>')).toEqual({ width: 0, height: 0, objects: [] })
    }
  })

  it('counts the first element of a name, and objects right below the root only', () => {
    const text = '<annotation><part><object></object></part><object><bndbox><xmin>1</xmin><xmin>9</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox><bndbox><xmin>7</xmin></bndbox></object></annotation>'
    for (const parse of [parseUsualForm, parseAnyXml]) expect(parse(text)?.objects).toEqual([{ trackId: null, corners: [1, 2, 3, 4], problem: null, line: 1 }])
  })

  it.each([
    ['<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax></bndbox>', 'its bndbox has no ymax'],
    ['<name>x</name>', 'the object has no bndbox'],
    ['<bndbox><xmin>1</xmin><ymin>two</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>', 'expected a number for ymin but found "two"'],
    ['<bndbox><xmin>1</xmin><ymin></ymin><xmax>3</xmax><ymax>4</ymax></bndbox>', 'expected a number for ymin but found ""'],
    ['<bndbox><xmin>1</xmin><ymin>1e999</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>', 'expected a number for ymin but found "1e999"'],
  ])('says what is wrong with %s', (inside, problem) => {
    const text = `<annotation>\n<object>${inside}</object></annotation>`
    for (const parse of [parseUsualForm, parseAnyXml]) expect(parse(text)?.objects).toEqual([{ trackId: null, corners: [NaN, NaN, NaN, NaN], problem, line: 2 }])
  })
})

describe('a file that is no XML', () => {
  it.each<[what: string, text: string, message: RegExp, line: number]>([
    ['an empty one', '', /Root element is missing/i, 1],
    ['text', 'hello', /not well-formed XML/, 1],
    ['a truncated one', vid.slice(0, 300), /not well-formed XML/, 14],
    ['tags that do not match', '<annotation>\n<object>\n</annotation></object>', /not well-formed XML: .*object/, 3],
    ['two roots', '<a></a>\n<b></b>', /not well-formed XML/, 2],
    ['a bare ampersand', '<a>\n<b>x & y</b></a>', /not well-formed XML/, 2],
    ['nesting without end', '<a>'.repeat(100_000), /not well-formed XML/, 1],
  ])('%s', (_, text, message, line) => {
    expect(parseUsualForm(text)).toBeNull()
    let error: unknown
    try {
      parseIlsvrc(text)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(IlsvrcXmlError)
    expect((error as IlsvrcXmlError).message).toMatch(message)
    expect((error as IlsvrcXmlError).line).toBe(line)
  })
})

describe('the fast scanner', () => {
  const outcome = (text: string) => {
    try {
      return parseAnyXml(text)
    } catch (error) {
      if (error instanceof IlsvrcXmlError) return null
      throw error
    }
  }
  /** Equal to the parser wherever it takes a file at all. */
  const agrees = (text: string): boolean => {
    const fast = parseUsualForm(text)
    if (fast !== null) expect(fast).toEqual(outcome(text))
    return fast !== null
  }

  it('takes files in the usual form', () => {
    expect(agrees(vid)).toBe(true)
    expect(agrees(vid.replaceAll(/[\n\t]/g, ''))).toBe(true)
  })

  it('agrees with the parser on any mixture of elements', () => {
    const names = fc.constantFrom('annotation', 'size', 'width', 'height', 'object', 'trackid', 'bndbox', 'xmin', 'ymin', 'xmax', 'ymax', 'name')
    const values = fc.oneof(fc.integer().map(String), fc.constantFrom('', ' 7\n', 'a b', '0x10', '1_0', 'Infinity', '1e3', '-0'))
    const { element } = fc.letrec<{ element: string }>((tie) => ({
      element: fc.oneof(
        { depthSize: 'medium' },
        fc.tuple(names, values).map(([name, value]) => `<${name}>${value}</${name}>`),
        fc.tuple(names, fc.array(tie('element'), { maxLength: 6 }), fc.constantFrom('', '\n\t', ' ')).map(([name, children, gap]) => `<${name}>${gap}${children.join(gap)}${gap}</${name}>`),
      ),
    }))
    let taken = 0
    fc.assert(
      fc.property(fc.array(element, { maxLength: 8 }), (children) => {
        taken += agrees(`<annotation>\n${children.join('\n')}\n</annotation>\n`) ? 1 : 0
      }),
      { numRuns: 1000 },
    )
    expect(taken).toBeGreaterThan(500)
  })

  it('agrees with the parser on any change to a file', () => {
    const pieces = fc.constantFrom('<', '>', '/', '&', '&amp;', ']]>', '<!--x-->', '<![CDATA[5]]>', '\u0000', 'ä', ' ', '\r', '\n', '<object>', '</object>', '<b/>', '"', "'", '=', '<?x?>', '<!DOCTYPE a>', '0', '\ufeff', '\u00a0')
    fc.assert(
      fc.property(fc.nat(vid.length), fc.nat(12), pieces, (at, cut, piece) => {
        agrees(vid.slice(0, at) + piece + vid.slice(at + cut))
        agrees(vid.slice(0, at) + vid.slice(at + cut))
      }),
      { numRuns: 4000 },
    )
  })
})

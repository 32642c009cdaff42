/**
 * The pysot toolkit's JSON of annotations: {NAME: {gt_rect, image_files or img_names, attr, absent, width, height, and VOT's tags}}.
 */
import { z } from 'zod'
import { SiamError } from '../errors.ts'
import type { AnnotatedSequence, Protocol, Region } from './types.ts'

const numbers = z.array(z.number().nullable())
const entry = z.looseObject({
  gt_rect: z.array(z.union([numbers, z.array(numbers).length(1).transform(([inner]) => inner as (number | null)[])])).min(1),
  image_files: z.array(z.string()).optional(),
  img_names: z.array(z.string()).optional(),
  attr: z.array(z.string()).optional(),
  absent: z.array(z.number()).optional(),
  cover: z.array(z.number()).optional(),
  width: z.number().positive().optional(),
  height: z.number().positive().optional(),
})
type Entry = z.infer<typeof entry>

/** VOT's tags in these files. */
const tagNames = ['camera_motion', 'illum_change', 'motion_change', 'size_change', 'occlusion'] as const

/**
 * @param file  for messages
 * @throws ERR_DATA with the sequence and what was expected
 */
export function readAnnotationJson(bytes: Uint8Array, file: string, protocol: Protocol): AnnotatedSequence[] {
  const value = parseJson(bytes, file)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0) {
    throw new SiamError('ERR_DATA', 'expected a JSON object of sequences', { file, hint: 'expected {"NAME": {"gt_rect": [[x, y, w, h], …], …}, …}, as the pysot toolkit has it' })
  }
  return Object.entries(value).map(([name, found]) => {
    const parsed = entry.safeParse(found)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw new SiamError('ERR_DATA', `sequence ${JSON.stringify(name)}: ${issue?.path.join('.') || 'entry'}: ${issue?.message ?? 'not as expected'}`, { file })
    }
    return sequenceOf(name, parsed.data, file, protocol)
  })
}

function parseJson(bytes: Uint8Array, file: string): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').replace(/^\uFEFF/, '')
  try {
    return JSON.parse(text)
  } catch (error) {
    // Python writes NaN, which JSON does not have.
    try {
      return JSON.parse(text.replaceAll(/(?<=[[,:]\s*)-?(?:NaN|Infinity)(?=\s*[\],}])/g, 'null'))
    } catch {
      throw new SiamError('ERR_DATA', `expected JSON: ${error instanceof Error ? error.message : String(error)}`, { file, cause: error })
    }
  }
}

function sequenceOf(name: string, found: Entry, file: string, protocol: Protocol): AnnotatedSequence {
  const bad = (message: string): SiamError => new SiamError('ERR_DATA', `sequence ${JSON.stringify(name)}: ${message}`, { file })
  const frames = found.gt_rect.length
  const truth = found.gt_rect.map((box, k): Region => {
    if (box.length !== 4 && (box.length < 6 || box.length % 2 !== 0) && !(protocol !== 'ope' && box.length === 1)) throw bad(`expected x, y, w, h or a polygon for frame ${k + 1} but found ${box.length} numbers`)
    return box.length === 1 || box.some((value) => value === null) ? null : (box as number[])
  })
  const labels = (key: 'absent' | 'cover'): number[] | undefined => {
    const values = found[key]
    if (values !== undefined && values.length !== frames) throw bad(`expected one value of ${key} for each of ${frames} frames but found ${values.length}`)
    return values
  }
  const absent = labels('absent')
  const cover = labels('cover')
  const firstFrame = frameNumber((found.image_files ?? found.img_names)?.[0])
  const tags = protocol === 'ope' ? undefined : tagsOf(found, frames, bad)
  return {
    name,
    truth,
    ...(found.width === undefined || found.height === undefined ? {} : { size: [found.width, found.height] as const }),
    ...(found.attr === undefined ? {} : { attributes: found.attr }),
    ...(tags === undefined ? {} : { tags }),
    // 1 says in these files that the target is there.
    ...(absent === undefined ? {} : { absent: absent.map((label) => label !== 1) }),
    ...(cover === undefined ? {} : { cover }),
    ...(firstFrame === undefined || firstFrame <= 1 ? {} : { firstFrame }),
  }
}

function tagsOf(found: Entry, frames: number, bad: (message: string) => SiamError): Record<string, readonly number[]> | undefined {
  const tags: Record<string, readonly number[]> = {}
  for (const tag of tagNames) {
    const values = found[tag]
    // An empty list says that no frame has the tag.
    if (values === undefined || (Array.isArray(values) && values.length === 0)) continue
    if (!Array.isArray(values) || values.length !== frames || !values.every((value) => value === 0 || value === 1)) throw bad(`expected 0 or 1 of ${tag} for each of ${frames} frames`)
    tags[tag] = values
  }
  return Object.keys(tags).length === 0 ? undefined : tags
}

/** `img/0006.jpg` → 6. */
export function frameNumber(name: string | undefined): number | undefined {
  const digits = name === undefined ? null : /(\d+)\.\w+$/.exec(name)
  return digits === null ? undefined : Number(digits[1])
}

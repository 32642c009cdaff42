/** VOT's per-frame tags: what is seen in a frame (camera motion, occlusion, …). */
import type { AnnotatedSequence, Annotations } from '../types.ts'

/** The tag of frames that have no other one. */
export const emptyTag = 'empty'

/** All tags of the annotations, then `empty`; none where no sequence has a tag. */
export function tagNames(annotations: Annotations): string[] {
  const names = new Set(annotations.sequences.flatMap(({ tags }) => Object.keys(tags ?? {})))
  // Every frame has it: not a tag that tells frames apart.
  names.delete('all')
  return names.size === 0 ? [] : [...names, emptyTag]
}

/** 1 for each frame that has the tag, else 0. Annotations leave a tag out, or empty, where no frame has it. */
export function framesWithTag({ tags = {}, truth }: AnnotatedSequence, tag: string): number[] {
  if (tag !== emptyTag) return truth.map((_, i) => (tags[tag]?.[i] === 1 ? 1 : 0))
  const others = Object.entries(tags).filter(([name]) => name !== 'all')
  return truth.map((_, i) => (others.some(([, flags]) => flags[i] === 1) ? 0 : 1))
}

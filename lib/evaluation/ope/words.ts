/** The conventions in words, for reports. */
import type { Conventions, FrameRule } from './conventions.ts'

const frame: Readonly<Record<FrameRule, string>> = { skip: 'left out', miss: 'count as failures', score: 'scored like others' }

/** What → which, in the order in which a reader asks for them. */
export function conventionsInWords(c: Conventions, hasPrecision: boolean): Record<string, string> {
  const words: Record<string, string> = {
    'Success plot': `${c.bins} thresholds from 0 to 1; an overlap has to be ${c.compare === 'greater' ? 'greater than' : 'at least'} the threshold`,
    AUC: { mean: 'mean of the success plot', trapezoid: 'trapezoids under the success plot', exact: 'mean overlap: the exact area under the success plot' }[c.area],
    'First frame': { given: 'counts, with the annotated box', counts: 'counts, with the box in the results', excluded: 'does not count' }[c.first],
    'Frames without annotation': frame[c.unannotated],
    'Frames with an empty box': frame[c.empty],
    'Frames labelled absent': frame[c.absent],
    'Results that are no box': { zero: 'overlap nothing', previous: 'become the box of the frame before' }[c.invalid],
    Boxes: [c.clip ? 'cut at the frame’s border' : 'not cut at the frame’s border', c.round ? 'rounded to whole pixels' : undefined, c.box === 'positive' ? 'annotations count only where x, y, w and h are positive' : undefined].filter((word) => word !== undefined).join('; '),
    Average: c.average === 'sequence' ? 'each sequence has the same weight' : 'each frame has the same weight',
  }
  if (hasPrecision) {
    words.Precision = c['precision-at'] === 'area' ? `area under the plot from 0 to 50 pixels (${c['error-bins']} thresholds)` : `share of frames with centres at most ${c['precision-at']} pixels apart`
    const size = c['norm-size'] === 'as-is' ? 'the annotated size' : 'the annotated size, or 1 where that is smaller'
    words['Normalised precision'] = `distances divided by ${size}; ${c['norm-at'] === 'area' ? `area under the plot from 0 to 0.5 (${c['error-bins']} thresholds)` : `share at most ${c['norm-at']}`}`
    if (c['missed-centre'] === 'hit') words['Precision of frames that cannot be scored'] = 'counts as a hit (a slip of this toolkit that its numbers have)'
  }
  return words
}

/** The conventions of the VOT evaluations in words, for reports. */
import { burnIn, type VotCompat } from './measures.ts'

export function votConventions(compat: VotCompat, [low, high]: readonly [number, number]): Record<string, string> {
  const pysot = compat === 'pysot'
  return {
    overlap: pysot
      ? 'pixels of both regions filled within the frame (x,y,w,h reaches from x to x + w, both included)'
      : 'pixels of both regions filled within the frame, numbers rounded first (x,y,w,h covers w × h pixels)',
    accuracy: pysot
      ? `mean overlap over all frames of all sequences, without the ${burnIn} frames from each initialisation on`
      : `mean overlap of each sequence without the ${burnIn} frames from each initialisation on; sequences weigh as many frames as they have`,
    robustness: pysot ? 'failures per 100 frames' : 'failures a sequence; sequences weigh as many frames as they have',
    eao: pysot
      ? `expected overlap, averaged over sequence lengths ${low} to ${high}; fragments reach from a restart to the next one and weigh the same`
      : `expected overlap, averaged over sequence lengths ${low} to ${high} (counted from 0); fragments reach from a restart to the failure and weigh the same`,
    repetitions: pysot ? 'their mean where there are 15, else the first' : 'all of them',
    tags: 'accuracy and failures in the frames that have the tag; expected overlap with fragments weighed by their share of such frames',
    missing: 'sequences without a result do not count',
  }
}

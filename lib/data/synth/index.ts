/** Synthetic data sets in GOT-10k's layout. */
export { makeSyntheticDataset, synthDefaults } from './make-dataset.ts'
export type { SplitReport, SynthOptions, SynthReport } from './make-dataset.ts'
export { SyntheticSequence } from './sequence.ts'
export type { SequenceSpec, SyntheticFrame } from './sequence.ts'

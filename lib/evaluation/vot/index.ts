/** VOT: reset-based and long-term protocols, their results and their scores. */
export { evaluateVot } from './evaluate.ts'
export type { VotOptions } from './evaluate.ts'
export { evaluateVotLongTerm } from './longterm.ts'
export { readVotResults } from './results.ts'
export type { VotSequenceResult, VotTrackerResults } from './results.ts'
export { eaoRange } from './eao.ts'
export type { VotCompat } from './measures.ts'
export type { Trajectory, VotCode, VotLine } from './trajectory.ts'

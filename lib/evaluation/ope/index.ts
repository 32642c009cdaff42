/** Evaluation of one-pass benchmarks: OTB, GOT-10k, LaSOT, UAV123, TrackingNet, NfS and what is like them. */
export { compats, conventionNames, conventionsOf, parseConvention } from './conventions.ts'
export type { Compat, Conventions, FrameRule } from './conventions.ts'
export { evaluateOnePass } from './evaluate.ts'
export type { OnePassOptions } from './evaluate.ts'

/** Tracking: one target through the frames of a sequence. */
export { buildTracker, SiamFCppTracker } from './siamfcpp-tracker.ts'
export type { TrackerOptions } from './siamfcpp-tracker.ts'
export type { Box, Tracker, TrackResult } from './tracker.ts'
export type { Frame, PixelFrame } from './frame.ts'
export { trackSequence } from './runner.ts'
export type { RunOptions, SequenceStep } from './runner.ts'

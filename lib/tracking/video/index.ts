/** Videos in and out, through ffmpeg. */
export { findFfmpeg } from './ffmpeg.ts'
export { openVideo } from './read.ts'
export type { Video, VideoOptions } from './read.ts'
export { VideoWriter } from './write.ts'
export type { VideoWriterOptions } from './write.ts'

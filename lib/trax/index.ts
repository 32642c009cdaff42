/** The TraX protocol, by which the VOT toolkits run a tracker. */
export { serveTrax } from './server.ts'
export type { TraxOptions, TraxVersion } from './server.ts'
export { formatMessage, parseMessage } from './message.ts'
export type { TraxMessage, TraxType } from './message.ts'

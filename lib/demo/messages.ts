/**
 * What page and server say to each other over a tab's web socket, as JSON. Frames go another way: GET /api/sources/ID/frames/N.
 *
 * The tracker waits for the page: `track` allows it to go on through a frame, and the page allows a few more each time it has drawn one.
 */
import { z } from 'zod'
import type { ProblemBody } from './http-problem.ts'
import type { SourceSummary } from './source.ts'

const frame = z.int().min(0)

/** Page → server. `run` is chosen by the page and comes back with results, so that those of before a correction are told apart. */
export const pageMessage = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('open'), source: z.string().max(64) }),
  /** The target's box in a frame: tracking (re)starts there. */
  z.strictObject({ op: z.literal('init'), run: z.int(), frame, box: z.tuple([z.number(), z.number(), z.number(), z.number()]) }),
  /** Frames up to this one may be tracked. */
  z.strictObject({ op: z.literal('track'), run: z.int(), through: frame }),
  /** Leaves a frame out that cannot be read. */
  z.strictObject({ op: z.literal('skip'), run: z.int(), frame }),
])

export type PageMessage = z.infer<typeof pageMessage>

/** Server → page. */
export type ServerMessage =
  | { type: 'hello'; tracker: string; device: string; sessions: number }
  /** No session is free; the socket closes. */
  | { type: 'refused'; problem: ProblemBody }
  | { type: 'opened'; source: SourceSummary; width: number; height: number; fps: number | null }
  /** A frame has its box, `init` if it is the given one. `seconds`: what the tracker took, reading and decoding included. */
  | { type: 'box'; run: number; frame: number; box: [number, number, number, number]; score: number; seconds: number; init?: true }
  /** There are this many frames. */
  | { type: 'end'; run: number; frames: number }
  /** What was asked for failed; the session goes on. `frame`: where tracking stands still. */
  | { type: 'failed'; at: 'open' | 'init' | 'track' | 'message'; run?: number; frame?: number; problem: ProblemBody }

/** A tab's session: its own tracker, never ahead of what the page allows, corrections, bad frames, limits. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Demo } from '../../lib/demo/server.ts'
import type { TrackerSupply } from '../../lib/demo/trackers.ts'
import type { Box } from '../../lib/tracking/tracker.ts'
import { ask, demoServer, demoTrackers, Tab } from '../helpers/demo-server.ts'
import { shared } from '../helpers/shared.ts'

const bag = (k: number): string => shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`)
const first: Box = [312.6, 146.9, 106.1, 96.4]
const other: Box = [40, 30, 60, 50]
const frames = 8

let dir: string
let trackers: TrackerSupply
let demo: Demo
let ids: Record<string, string>

/** What a tracker of its own finds. */
async function alone(box: Box, numbers: number[]): Promise<unknown[]> {
  using tracker = await trackers.make()
  const results = []
  for (const [i, k] of numbers.entries()) {
    if (i === 0) await tracker.init(bag(k), box)
    else {
      const { box: found, score } = await tracker.update(bag(k))
      results.push({ box: found, score })
    }
  }
  return results
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-demo-session-'))
  for (const name of ['good', 'torn']) {
    mkdirSync(path.join(dir, name))
    for (let k = 1; k <= frames; k += 1) symlinkSync(bag(k), path.join(dir, name, `${k}.jpg`))
  }
  rmSync(path.join(dir, 'torn', '4.jpg'))
  writeFileSync(path.join(dir, 'torn', '4.jpg'), readFileSync(bag(4)).subarray(0, 9000))
  mkdirSync(path.join(dir, 'empty-first'))
  writeFileSync(path.join(dir, 'empty-first', '1.jpg'), '')
  trackers = await demoTrackers()
  demo = await demoServer(trackers, { sources: ['good', 'torn', 'empty-first'].map((name) => path.join(dir, name)), limits: { sessions: 2 } })
  const { sources } = (await ask(demo, 'GET', '/api/sources')).json() as { sources: { id: string; name: string }[] }
  ids = Object.fromEntries(sources.map(({ id, name }) => [name, id]))
})
afterAll(async () => {
  await demo.close()
  trackers.dispose()
  rmSync(dir, { recursive: true, force: true })
})

const opened: Tab[] = []
/** A test that fails leaves no tab that takes another's place. */
afterEach(() => opened.splice(0).forEach((tab) => tab.socket.terminate()))

async function open(source = 'good'): Promise<Tab> {
  let tab = new Tab(demo)
  let welcome = await tab.next('hello', 'refused')
  // A tab that was closed frees its place a moment later.
  while (welcome.type === 'refused') {
    await tab.closed
    tab = new Tab(demo)
    welcome = await tab.next('hello', 'refused')
  }
  opened.push(tab)
  expect(welcome).toMatchObject({ tracker: 'SiamFCppTracker', device: 'cpu' })
  tab.send({ op: 'open', source: ids[source] })
  expect(await tab.next('opened')).toMatchObject({ source: { id: ids[source], frames }, width: 480, height: 360, fps: null })
  return tab
}

const boxesOf = (tab: Tab) => tab.messages.filter((message) => message.type === 'box')

describe('a session', () => {
  it('follows as a tracker alone does, tells the end, and starts again where a box is given', async () => {
    const tab = await open()
    tab.send({ op: 'init', run: 1, frame: 0, box: first })
    expect(await tab.next('box')).toMatchObject({ run: 1, frame: 0, box: first, score: 1, init: true })
    tab.send({ op: 'track', run: 1, through: 100 })
    expect(await tab.next('end')).toEqual({ type: 'end', run: 1, frames })
    const tracked = boxesOf(tab).slice(1)
    expect(tracked.map(({ frame, run }) => [frame, run])).toEqual(Array.from({ length: frames - 1 }, (_, i) => [i + 1, 1]))
    expect(tracked.map(({ box, score }) => ({ box, score }))).toEqual(await alone(first, [1, 2, 3, 4, 5, 6, 7, 8]))
    expect(tracked.every(({ seconds }) => seconds > 0)).toBe(true)

    tab.send({ op: 'init', run: 2, frame: 2, box: other })
    expect(await tab.next('box')).toMatchObject({ run: 2, frame: 2, init: true })
    // What the page allowed of the old run is nothing to the new one.
    tab.send({ op: 'track', run: 1, through: 100 })
    for (let turn = 0; turn < 2; turn += 1) {
      tab.send('{}')
      await tab.next('failed')
    }
    expect(boxesOf(tab).at(-1)).toMatchObject({ run: 2, frame: 2 })
    tab.send({ op: 'track', run: 2, through: 4 })
    expect([await tab.next('box'), await tab.next('box')].map(({ box, score }) => ({ box, score }))).toEqual(await alone(other, [3, 4, 5]))
    await tab.close()
  })

  it('waits for the page: no frame behind the one that is allowed', async () => {
    const tab = await open()
    tab.send({ op: 'init', run: 1, frame: 0, box: first })
    tab.send({ op: 'track', run: 1, through: 0 })
    await tab.next('box')
    tab.send({ op: 'track', run: 1, through: 2 })
    await tab.next('box')
    await tab.next('box')
    // A request in turn: when it is answered, everything that was allowed before it has been done.
    for (const op of ['one', 'two']) {
      tab.send({ op: 'open', source: op })
      expect((await tab.next('failed')).problem.message).toMatch(/no such source/)
    }
    expect(boxesOf(tab).map(({ frame }) => frame)).toEqual([0, 1, 2])
    await tab.close()
  })

  it('two tabs do not disturb each other, a third is told that there is no room, and may come when one goes', async () => {
    const tabs = [await open(), await open()]
    const third = new Tab(demo)
    expect((await third.next('refused')).problem).toMatchObject({ message: expect.stringMatching(/at most 2 tabs/), hint: expect.stringMatching(/close one/) })
    expect(await third.closed).toBe(1013)

    const given = [first, other]
    for (const [i, tab] of tabs.entries()) tab.send({ op: 'init', run: 1, frame: 0, box: given[i] })
    for (const tab of tabs) await tab.next('box')
    // In turns, so that each one's state is there while the other computes.
    for (let through = 1; through < frames; through += 1) {
      for (const tab of tabs) tab.send({ op: 'track', run: 1, through })
      for (const tab of tabs) await tab.next('box')
    }
    for (const [i, tab] of tabs.entries()) {
      expect(boxesOf(tab).slice(1).map(({ box, score }) => ({ box, score }))).toEqual(await alone(given[i]!, [1, 2, 3, 4, 5, 6, 7, 8]))
    }
    await tabs[0]!.close()
    const next = await open()
    await next.close()
    tabs[1]!.send({ op: 'init', run: 2, frame: 0, box: first })
    expect(await tabs[1]!.next('box')).toMatchObject({ run: 2 })
    await tabs[1]!.close()
  })

  it('says which frame cannot be read, and goes on behind it or from before it', async () => {
    const tab = await open('torn')
    tab.send({ op: 'init', run: 1, frame: 0, box: first })
    await tab.next('box')
    tab.send({ op: 'track', run: 1, through: 7 })
    for (let again = 0; again < 2; again += 1) {
      expect(await tab.next('failed')).toMatchObject({ at: 'track', run: 1, frame: 3, problem: { code: 'ERR_DATA', message: expect.stringMatching(/^4\.jpg: /) } })
      tab.send({ op: 'track', run: 1, through: 7 })
    }
    await tab.next('failed')
    tab.send({ op: 'skip', run: 1, frame: 2 }) // not where it stands: nothing
    tab.send({ op: 'skip', run: 1, frame: 3 })
    // Skipping takes its turn; when it is answered for, the way is free.
    tab.send('{}')
    await tab.next('failed')
    tab.send({ op: 'track', run: 1, through: 7 })
    await tab.next('box')
    await expect.poll(() => boxesOf(tab).map(({ frame }) => frame), { timeout: 30_000 }).toEqual([0, 1, 2, 4, 5, 6, 7])
    expect(boxesOf(tab).slice(1).map(({ box, score }) => ({ box, score }))).toEqual(await alone(first, [1, 2, 3, 5, 6, 7, 8]))
    await tab.close()
  })

  it('refuses a box that is none, and what was followed before can be followed on', async () => {
    const tab = await open()
    tab.send({ op: 'track', run: 0, through: 5 }) // nothing to follow yet: nothing
    tab.send({ op: 'init', run: 1, frame: 0, box: first })
    await tab.next('box')
    for (const [box, message] of [[[10, 10, 0, 5], /positive width and height/], [[9000, 10, 20, 20], /overlaps the frame/]] as const) {
      tab.send({ op: 'init', run: 2, frame: 0, box })
      expect(await tab.next('failed')).toMatchObject({ at: 'init', run: 2, problem: { code: 'ERR_ARGUMENT', message: expect.stringMatching(message) } })
    }
    tab.send({ op: 'init', run: 2, frame: 99, box: first })
    expect((await tab.next('failed')).problem.message).toBe('There is no frame 100')
    tab.send({ op: 'track', run: 1, through: 1 })
    const { box, score } = await tab.next('box')
    expect([{ box, score }]).toEqual(await alone(first, [1, 2]))
    await tab.close()
  })

  it('a source that cannot be opened is told so; the tab goes on', async () => {
    const tab = await open()
    tab.send({ op: 'open', source: ids['empty-first'] })
    expect(await tab.next('failed')).toMatchObject({ at: 'open', problem: { code: 'ERR_DATA', message: expect.stringMatching(/^1\.jpg: /) } })
    tab.send({ op: 'init', run: 1, frame: 0, box: first })
    expect((await tab.next('failed')).problem.message).toBe('No source is open')
    tab.send({ op: 'open', source: ids.good })
    await tab.next('opened')
    await tab.close()
  })

  it.each(['no JSON', '{"op":"rm"}', '{"op":"init","run":1,"frame":-1,"box":[1,2,3,4]}', '{"op":"init","run":1,"frame":0,"box":[1,2,3]}', '{"op":"open","source":"../../etc/passwd","path":"/etc/passwd"}'])('answers %s with words', async (text) => {
    const tab = await open()
    tab.send(text)
    expect(await tab.next('failed')).toMatchObject({ at: 'message', problem: { code: 'ERR_ARGUMENT' } })
    await tab.close()
  })

  it('ends a socket that floods it or sends what is too long', async () => {
    const long = await open()
    long.send('x'.repeat(20_000))
    expect(await long.closed).toBe(1009)
    const flood = await open()
    for (let i = 0; i < 2000; i += 1) flood.send({ op: 'init', run: i, frame: 0, box: first })
    expect(await flood.closed).toBe(1008)
    const next = await open()
    await next.close()
  })
})

it('a server that ends tells its tabs', async () => {
  const short = await demoServer(trackers, { sources: [path.join(dir, 'good')] })
  const tab = new Tab(short)
  await tab.next('hello')
  await short.close()
  expect(await tab.closed).toBe(1001)
})

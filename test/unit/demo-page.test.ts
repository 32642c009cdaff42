/** The page's parts that need no browser: what is done to boxes, what a run keeps and becomes, what is uploaded of a choice. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it, vi } from 'vitest'

const folder = fileURLToPath(new URL('../../lib/demo/page/', import.meta.url))
const page = (name: string): Promise<any> => import(pathToFileURL(path.join(folder, name)).href) // eslint-disable-line typescript/no-explicit-any
const { between, dragged, fitted, gripAt, grown, middle, moved, resized } = await page('box.js')
const { gotText, jsonText, Run } = await page('run.js')
const { chosen } = await page('uploader.js')
const { fpsText, frameText, scoreText, sentence } = await page('words.js')

const frame = { width: 480, height: 360 }

describe('boxes', () => {
  it('stay inside of the frame, and large enough', () => {
    expect(fitted([-5, 350, 20, 20], frame)).toEqual([0, 340, 20, 20])
    expect(fitted([470, 10, 0, 1000], frame)).toEqual([470, 0, 4, 360])
    expect(moved([10, 10, 20, 20], -50, 3, frame)).toEqual([0, 13, 20, 20])
    expect(resized([10, 10, 20, 20], 5, -100, frame)).toEqual([10, 10, 25, 4])
    expect(resized([470, 10, 5, 20], 100, 0, frame)).toEqual([470, 10, 10, 20])
    expect(grown([100, 100, 20, 40], 1.5, frame)).toEqual([95, 90, 30, 60])
    expect(middle(frame)).toEqual([192, 144, 96, 72])
  })

  it('are drawn in every direction', () => {
    expect(between(50, 60, 20, 10, frame)).toEqual([20, 10, 30, 50])
    expect(between(-50, -60, 20, 10, frame)).toEqual([0, 0, 20, 10])
    expect(between(500, 400, 470, 350, frame)).toEqual([470, 350, 10, 10])
  })

  it.each([
    [100, 100, 'nw'], [150, 100, 'n'], [200, 100, 'ne'], [200, 130, 'e'], [200, 160, 'se'], [150, 160, 's'], [100, 160, 'sw'], [100, 130, 'w'], [150, 130, 'move'], [90, 90, undefined], [96, 130, 'w'],
  ])('at %d, %d are taken by %s', (x, y, grip) => expect(gripAt([100, 100, 100, 60], x, y, 6)).toBe(grip))

  it('can be taken by the middle however small they are', () => expect(gripAt([100, 100, 6, 6], 103, 103, 20)).toBe('move'))

  it('follow the grip', () => {
    const box = [100, 100, 100, 60]
    expect(dragged(box, 'move', 5, -5, frame)).toEqual([105, 95, 100, 60])
    expect(dragged(box, 'nw', 5, -5, frame)).toEqual([105, 95, 95, 65])
    expect(dragged(box, 'se', 5, -5, frame)).toEqual([100, 100, 105, 55])
    // Over the opposite edge.
    expect(dragged(box, 'e', -150, 0, frame)).toEqual([50, 100, 50, 60])
  })
})

describe('a run', () => {
  const run = new Run()
  for (let k = 2; k <= 8; k++) run.add({ frame: k, box: [k, 1.23456, 10, 20], score: k === 5 ? 0.1 : 0.9, seconds: 0.5, ...(k === 2 ? { init: true } : {}) })

  it('knows its ends, its lowest score and its speed', () => {
    expect([run.last, run.given, run.lowest().frame, run.fps(8), run.fps(2), new Run().last, new Run().lowest()]).toEqual([8, 1, 5, 2, undefined, -1, undefined])
  })

  it('becomes a line for each frame, and JSON', () => {
    expect(gotText(run).split('\n').slice(0, 4)).toEqual(['nan,nan,nan,nan', 'nan,nan,nan,nan', '2.000,1.235,10.000,20.000', '3.000,1.235,10.000,20.000'])
    expect(gotText(run).split('\n')).toHaveLength(10)
    const parsed = JSON.parse(jsonText(run, { source: 'bag', tracker: 'T', ...frame, frames: 9 }))
    expect(parsed).toMatchObject({ source: 'bag', tracker: 'T', width: 480, height: 360, frames: 9 })
    expect(parsed.boxes.slice(0, 2)).toEqual([{ frame: 2, box: [2, 1.23456, 10, 20], score: 0.9, seconds: 0.5, given: true }, { frame: 3, box: [3, 1.23456, 10, 20], score: 0.9, seconds: 0.5, given: false }])
  })

  it('loses what comes behind a correction', () => {
    run.skipped.add(7)
    run.dropAfter(4)
    expect([run.last, run.steps.size, run.skipped.size]).toEqual([4, 3, 0])
  })
})

describe('a choice of files', () => {
  const entry = (at: string) => ({ file: { name: path.basename(at), size: 1 }, path: at })
  const names = (choice: { files: { name: string }[] }) => choice.files.map(({ name }) => name)

  it('takes the images of a folder and leaves the rest', () => {
    const choice = chosen([entry('bag/1.jpg'), entry('bag/2.PNG'), entry('bag/groundtruth.txt'), entry('bag/.DS_Store')])
    expect([choice.name, names(choice), choice.left]).toEqual(['bag', ['1.jpg', '2.PNG'], 2])
    expect(chosen([entry('seq/img/1.jpg'), entry('seq/groundtruth.txt')]).name).toBe('img')
  })

  it('takes single files as they are: the server judges', () => {
    expect(chosen([entry('film.mp4')])).toMatchObject({ name: 'film.mp4', left: 0 })
    expect(names(chosen([entry('notes.txt')]))).toEqual(['notes.txt'])
  })

  it.each([
    [[entry('bag/groundtruth.txt')], /folder bag holds no image/],
    [[entry('all/a/1.jpg'), entry('all/b/1.jpg')], /2 folders of all/],
    [[], /No file/],
  ])('says what is wrong with %j', (entries, message) => {
    expect(() => chosen(entries)).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }))
  })
})

it('words', () => {
  expect([frameText(0, 10), frameText(4, null), scoreText(undefined), scoreText(0.912), scoreText(0.0312), fpsText(9.96), fpsText(140.2)]).toEqual(['Frame 1 of 10', 'Frame 5', '–', '0.91', '0.031', '10.0', '140'])
  expect([sentence('the video is broken'), sentence('1.jpg: bad'), sentence('Why?'), sentence('')]).toEqual(['The video is broken.', '1.jpg: bad.', 'Why?', ''])
})

describe('the page', () => {
  const html = readFileSync(path.join(folder, 'index.html'), 'utf8')
  const script = readFileSync(path.join(folder, 'app.js'), 'utf8')

  it('has every element that its script asks for', () => {
    const ids = new Set([...html.matchAll(/\bid="([\w-]+)"/g)].map(([, id]) => id))
    const asked = [...script.matchAll(/\b(?:at|button|input|canvas)\('([\w-]+)'\)/g)].map(([, id]) => id!)
    expect(asked.length).toBeGreaterThan(30)
    expect(asked.filter((id) => !ids.has(id))).toEqual([])
  })

  it('names every control, and runs no script of its own', () => {
    for (const [control] of html.matchAll(/<(?:select|input|progress)\b[^>]*>/g)) {
      const id = /\bid="([\w-]+)"/.exec(control)?.[1]
      expect(control.includes(' hidden') || /aria-label/.test(control) || html.includes(`for="${id}"`) || new RegExp(`<label[^>]*>[^<]*${control.slice(0, 20)}`).test(html), control).toBe(true)
    }
    // The content security policy would stop these.
    expect(html).not.toMatch(/<script>|\son\w+=|\sstyle=|javascript:/)
  })

  it('has small files', () => {
    for (const name of readdirSync(folder)) expect(readFileSync(path.join(folder, name), 'utf8').split('\n').length, name).toBeLessThan(500)
  })
})

describe("the page's session", () => {
  it('takes of two sources that are opened in haste the second, whatever comes of the first', async () => {
    const sockets: EventTarget[] = []
    vi.stubGlobal('location', { host: '127.0.0.1:1' })
    vi.stubGlobal('WebSocket', class extends EventTarget {
      static CONNECTING = 0
      readyState = 0
      constructor() {
        super()
        sockets.push(this)
      }
    })
    const say = (message: object): boolean => sockets[0]!.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }))
    const { Session } = await page('session.js')
    const session = new Session({ changed: () => {}, box: () => {}, problem: () => {} })
    for (const answer of [{ type: 'opened', source: { id: 'a' }, width: 1, height: 1 }, { type: 'failed', at: 'open', problem: { message: 'no a' } }]) {
      const first = session.open('a').catch((problem: { message: string }) => problem.message)
      const second = session.open('b')
      say(answer)
      say({ type: 'opened', source: { id: 'b' }, width: 2, height: 2 })
      expect(await first).toBe('another source was chosen')
      expect(await second).toMatchObject({ source: { id: 'b' }, width: 2 })
    }
    vi.unstubAllGlobals()
  })
})

/**
 * The demo's page in a real browser: Chromium, without a window. Screenshots stay in .cache/demo-screenshots.
 * Waits are for states of the page, never for time.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type Download, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { axisAlignedBox, centerToRect } from '../../lib/data/polygon.ts'
import type { Demo } from '../../lib/demo/server.ts'
import type { TrackerSupply } from '../../lib/demo/trackers.ts'
import { meanOverlap } from '../../lib/evaluation/overlap.ts'
import type { Box, Tracker } from '../../lib/tracking/tracker.ts'
import { findChromium } from '../helpers/chromium.ts'
import { demoServer, demoTrackers } from '../helpers/demo-server.ts'
import { shared } from '../helpers/shared.ts'

const found = await findChromium()
if ('why' in found) console.log(`tests of the demo's page are skipped: ${found.why}`)
const screenshots = fileURLToPath(new URL('../../.cache/demo-screenshots/', import.meta.url))

const bag = (k: number): string => shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`)
const frames = 16

describe.skipIf('why' in found)('the demo page', () => {
  let dir: string
  let trackers: TrackerSupply
  const gate = new Gate()
  let demo: Demo
  let browser: Browser
  /** Upright boxes by VOT's rule. */
  let truth: Box[]

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'siam-demo-page-'))
    for (const name of ['bag', 'torn']) {
      mkdirSync(path.join(dir, name))
      for (let k = 1; k <= frames; k += 1) copyFileSync(bag(k), path.join(dir, name, `${k}.jpg`))
    }
    writeFileSync(path.join(dir, 'torn', '3.jpg'), readFileSync(bag(3)).subarray(0, 9000))
    writeFileSync(path.join(dir, 'film.mp4'), 'this is no film')
    const lines = readFileSync(shared('data', 'vot-bag', 'groundtruth.txt'), 'utf8').trim().split('\n')
    truth = lines.slice(0, frames).map((line) => centerToRect(axisAlignedBox(line.split(',').map(Number))))
    mkdirSync(screenshots, { recursive: true })
    trackers = await demoTrackers()
    demo = await demoServer(gate.before(trackers), { sources: [path.join(dir, 'bag'), path.join(dir, 'torn')] })
    browser = await chromium.launch({ executablePath: (found as { path: string }).path, args: ['--no-sandbox', '--disable-gpu'] })
    console.log(`screenshots of the demo: ${screenshots}`)
  })
  afterAll(async () => {
    gate.open()
    await browser?.close()
    await demo?.close()
    trackers?.dispose()
    rmSync(dir, { recursive: true, force: true })
  })

  /** A tab of its own, closed afterwards; nothing may be wrong on its console. */
  async function onPage(options: { width?: number; height?: number; colorScheme?: 'light' | 'dark' }, work: (page: Page, at: Actions) => Promise<void>): Promise<void> {
    const { width = 1100, height = 760, colorScheme = 'light' } = options
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true })
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    const wrong: string[] = []
    page.on('pageerror', (error) => wrong.push(String(error)))
    page.on('console', (message) => message.type() === 'error' && !/status of 4\d\d/.test(message.text()) && wrong.push(message.text()))
    try {
      await page.goto(demo.url)
      await page.getByText(`Frame 1 of ${frames}`).waitFor()
      await work(page, new Actions(page))
    } catch (error) {
      await page.screenshot({ path: path.join(screenshots, 'failed.png') })
      throw error
    } finally {
      await context.close()
    }
    expect(wrong).toEqual([])
  }

  it('draws with the mouse, tracks, pauses, corrects, exports', async () => {
    await onPage({}, async (page, at) => {
      expect(await page.getByRole('button', { name: 'Track', exact: true }).isDisabled()).toBe(true)
      await at.drag(truth[0]!)
      const drawn = await at.box()
      expect(meanOverlap([drawn, drawn], [null, truth[0]!])).toBeGreaterThan(0.97)
      await page.screenshot({ path: path.join(screenshots, 'drawn.png') })
      gate.hold(8)
      await page.getByRole('button', { name: 'Track', exact: true }).click()
      await at.frame(5)
      await page.getByRole('button', { name: 'Pause' }).click()
      await page.getByText(/^Paused\./).waitFor()
      gate.open()
      const paused = await at.shown()
      expect(paused).toBeLessThan(frames)
      await page.screenshot({ path: path.join(screenshots, 'tracking.png') })
      expect(Number(await page.locator('#score').textContent())).toBeGreaterThan(0)
      expect(Number(await page.locator('#fps').textContent())).toBeGreaterThan(0)

      // The boxes are the tracker's, from the box that was drawn; they follow the bag.
      const first = await at.export('GOT-10k .txt')
      expect(first.name).toBe('bag_001.txt')
      const before = boxesOf(first.text)
      expect(before.length).toBeGreaterThanOrEqual(paused)
      expect(before.map(rounded)).toEqual((await alone(drawn, 1, before.length)).map(rounded))
      expect(meanOverlap(before.slice(0, 6), truth.slice(0, 6))).toBeGreaterThan(0.5)

      // One frame on and back; the scrubber and the graph lead to others.
      await page.getByRole('button', { name: 'One frame on' }).click()
      await at.exactly(paused + 1)
      await page.getByRole('button', { name: 'One frame back' }).click()
      await at.exactly(paused)
      await page.locator('#scrubber').fill('3')
      await at.exactly(4)
      expect(await at.box()).toEqual(before[3]!.map((value) => Math.round(value * 10) / 10))
      await page.locator('#graph').click({ position: { x: 3, y: 20 } })
      await at.exactly(1)

      // A correction: what came after it is replaced.
      await page.locator('#scrubber').fill('4')
      await at.exactly(5)
      await page.keyboard.down('Shift')
      await at.drag(truth[4]!)
      await page.keyboard.up('Shift')
      const corrected = await at.box()
      await page.screenshot({ path: path.join(screenshots, 'correcting.png') })
      await page.getByRole('button', { name: 'Use box' }).click()
      await page.getByText(/^The box is taken in frame 5\./).waitFor()
      expect(await page.locator('#tracked').textContent()).toBe('5')
      await page.getByRole('button', { name: 'Track', exact: true }).click()
      await page.getByText(`The end: ${frames} frames with a box.`).waitFor()
      await page.screenshot({ path: path.join(screenshots, 'end.png') })
      const after = JSON.parse((await at.export('JSON')).text) as { source: string; frames: number; boxes: { frame: number; box: Box; score: number; given: boolean }[] }
      expect(after).toMatchObject({ source: 'bag', frames, width: 480, height: 360 })
      expect(after.boxes.map(({ frame }) => frame)).toEqual(Array.from({ length: frames }, (_, i) => i))
      expect(after.boxes.filter(({ given }) => given).map(({ frame }) => frame)).toEqual([0, 4])
      expect(after.boxes.slice(0, 4).map(({ box }) => rounded(box))).toEqual(before.slice(0, 4).map(rounded))
      expect(after.boxes.slice(4).map(({ box }) => rounded(box))).toEqual((await alone(corrected, 5, frames - 4)).map(rounded))
      expect(meanOverlap(after.boxes.map(({ box }) => box), truth)).toBeGreaterThan(0.5)
    })
  })

  it('does all of it by keyboard', async () => {
    await onPage({ colorScheme: 'dark' }, async (page, at) => {
      const press = async (...keys: string[]): Promise<void> => {
        for (const key of keys) await page.keyboard.press(key)
      }
      // The frame is reached by Tab alone, by way of the link that skips what is above it.
      await press('Tab')
      expect(await page.locator(':focus').textContent()).toBe('Skip to the frame')
      await press('Enter')
      for (let i = 0; i < 3 && (await page.locator(':focus').getAttribute('id')) !== 'stage'; i += 1) await press('Tab')
      expect(await page.locator(':focus').getAttribute('id')).toBe('stage')

      await press('Enter')
      expect(await at.box()).toEqual([192, 144, 96, 72])
      await press('ArrowRight', 'Shift+ArrowRight', 'ArrowUp', 'Control+ArrowDown', 'Control+Shift+ArrowRight', 'Control+ArrowLeft')
      expect(await at.box()).toEqual([203, 143, 105, 73])
      await press('+', '-', 'Escape')
      expect(await page.locator('#status').textContent()).toBe('The box stays as it was.')
      expect(await page.locator('#box-x').inputValue()).toBe('')

      await press('b')
      const [x, y, w, h] = truth[0]!.map(Math.round) as [number, number, number, number]
      for (const [from, to, minus, plus] of [[192, x, 'ArrowLeft', 'ArrowRight'], [144, y, 'ArrowUp', 'ArrowDown'], [96, w, 'Control+ArrowLeft', 'Control+ArrowRight'], [72, h, 'Control+ArrowUp', 'Control+ArrowDown']] as const) {
        const way = to < from ? minus : plus
        const tens = way.replace('Arrow', 'Shift+Arrow')
        const far = Math.abs(to - from)
        await press(...Array<string>(Math.floor(far / 10)).fill(tens), ...Array<string>(far % 10).fill(way))
      }
      expect(await at.box()).toEqual([x, y, w, h])
      await page.screenshot({ path: path.join(screenshots, 'keyboard-dark.png') })
      gate.hold(6)
      await press('Enter', ' ')
      await at.frame(4)
      await press(' ')
      await page.getByText(/^Paused\./).waitFor()
      gate.open()
      const paused = await at.shown()
      await press('ArrowRight')
      await at.exactly(paused + 1)
      await press('Home')
      await at.exactly(1)
      await press('End')
      await at.frame(paused + 1)
      // A correction, one pixel to the right.
      await press('Home', 'ArrowRight')
      await at.exactly(2)
      const before = await at.box()
      await press('b', 'ArrowRight', 'Enter')
      await page.getByText(/^The box is taken in frame 2\./).waitFor()
      expect(await at.box()).toEqual([Math.round((before[0] + 1) * 10) / 10, before[1], before[2], before[3]])
      const [saved] = await Promise.all([page.waitForEvent('download'), press('e')])
      expect(boxesOf(await textOf(saved))).toHaveLength(2)

      await press('?')
      await page.getByRole('dialog', { name: 'Keyboard and mouse' }).waitFor()
      await page.screenshot({ path: path.join(screenshots, 'help-dark.png') })
      await page.getByRole('checkbox', { name: /^Single letters/ }).uncheck()
      await press('Escape', 'b')
      expect(await page.getByRole('button', { name: 'Use box' }).isVisible()).toBe(false)
    })
  })

  it('uploads, refuses what is no video in words, names a bad frame and goes on behind it', async () => {
    await onPage({ width: 390, height: 800 }, async (page, at) => {
      await page.locator('#files-input').setInputFiles(path.join(dir, 'film.mp4'))
      await page.getByRole('alert').getByText('film.mp4 is no video that can be read, whatever its name says.').waitFor()
      await page.screenshot({ path: path.join(screenshots, 'narrow-refused.png') })
      expect(await page.locator('#source option').count()).toBe(2)

      const dropped = await page.evaluateHandle(() => {
        const { DataTransfer } = globalThis as unknown as { DataTransfer: new () => { items: { add: (file: File) => void } } }
        const transfer = new DataTransfer()
        transfer.items.add(new File(['hello'], 'notes.txt'))
        return transfer
      })
      await page.dispatchEvent('#stage', 'drop', { dataTransfer: dropped })
      await page.getByRole('alert').getByText(/^notes\.txt is neither a video nor an image/).waitFor()

      await page.locator('#files-input').setInputFiles([bag(1), bag(2)])
      await page.getByText('Frame 1 of 2').waitFor()
      expect(await page.locator('#source option:checked').textContent()).toBe('2 images (2 images, uploaded)')
      expect(await page.getByRole('alert').isVisible()).toBe(false)
      await page.getByRole('button', { name: 'Remove upload' }).click()
      await page.getByText(`Frame 1 of ${frames}`).waitFor()

      await page.locator('#folder-input').setInputFiles(path.join(dir, 'torn'))
      await page.getByText('torn is open').waitFor()
      await page.getByRole('button', { name: 'Draw box' }).click()
      await page.getByRole('button', { name: 'Track', exact: true }).click()
      await page.getByRole('alert').getByText(/^Frame 3: 3\.jpg: /).waitFor()
      await page.screenshot({ path: path.join(screenshots, 'narrow-bad-frame.png'), fullPage: true })
      await page.getByRole('button', { name: 'Leave this frame out' }).click()
      await page.getByText(`The end: ${frames - 1} frames with a box.`).waitFor()
      expect((await at.export('GOT-10k .txt')).text.split('\n')[2]).toBe('nan,nan,nan,nan')
      // Nothing is wider than the window.
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    })
  })

  it('says when the server is gone, and still exports', async () => {
    const short = await demoServer(trackers, { sources: [path.join(dir, 'bag')] })
    const page = await browser.newPage()
    await page.goto(short.url)
    await page.getByText(`Frame 1 of ${frames}`).waitFor()
    await page.getByRole('button', { name: 'Draw box' }).click()
    await page.getByRole('button', { name: 'Use box' }).click()
    await page.getByText(/^The box is taken/).waitFor()
    await short.close()
    await page.getByRole('alert').getByText('The connection to the server is gone.').waitFor()
    expect((await new Actions(page).export('GOT-10k .txt')).text).toBe('192.000,144.000,96.000,72.000\n')
    await page.close()
  })

  /** What a tracker of its own finds from frame `from` (1-based) on. */
  async function alone(box: Box, from: number, count: number): Promise<Box[]> {
    using tracker = await trackers.make()
    await tracker.init(bag(from), box)
    const boxes: Box[] = [box]
    for (let k = from + 1; k < from + count; k += 1) boxes.push((await tracker.update(bag(k))).box)
    return boxes
  }
})

/** Lets the demo's trackers go on only so far, so that a fast machine is not at the end before Pause is pressed. */
class Gate {
  #held = Number.POSITIVE_INFINITY
  #opened: Promise<void> = Promise.resolve()
  #open: () => void = () => {}

  /** No frame behind this one (0-based, from the given box on) is tracked until the gate opens. */
  hold(frame: number): void {
    this.#held = frame
    this.#opened = new Promise((resolve) => (this.#open = resolve))
  }

  open(): void {
    this.#held = Number.POSITIVE_INFINITY
    this.#open()
  }

  before(supply: TrackerSupply): TrackerSupply {
    const make = async (): Promise<Tracker> => {
      const tracker = await supply.make()
      let frame = 0
      return {
        name: tracker.name,
        get disposed() {
          return tracker.disposed
        },
        init: (picture, box) => {
          frame = 0
          return tracker.init(picture, box)
        },
        update: async (picture) => {
          frame += 1
          if (frame > this.#held) await this.#opened
          return tracker.update(picture)
        },
        dispose: () => tracker.dispose(),
        [Symbol.dispose]: () => tracker.dispose(),
      }
    }
    return { ...supply, make }
  }
}

/** As the .txt has it. */
const rounded = (box: Box): string[] => box.map((value) => value.toFixed(3))
const boxesOf = (text: string): Box[] => text.trim().split('\n').map((line) => line.split(',').map(Number) as unknown as Box)
const textOf = async (download: Download): Promise<string> => readFileSync(await download.path(), 'utf8')

class Actions {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  async shown(): Promise<number> {
    return Number(/\d+/.exec((await this.page.locator('#position').textContent()) ?? '')?.[0])
  }

  /** Until this frame (1-based) or one behind it is shown: live frames do not wait to be seen. */
  async frame(number: number): Promise<void> {
    await this.page.waitForFunction((wanted) => {
      const { document } = globalThis as unknown as { document: { querySelector: (selector: string) => { textContent: string } } }
      return Number(/\d+/.exec(document.querySelector('#position').textContent)?.[0]) >= wanted
    }, number)
  }

  async exactly(number: number): Promise<void> {
    await this.page.getByText(`Frame ${number} of ${frames}`, { exact: true }).waitFor()
  }

  /** The numbers beside the frame. */
  async box(): Promise<Box> {
    const values = await Promise.all(['x', 'y', 'w', 'h'].map(async (name) => Number(await this.page.locator(`#box-${name}`).inputValue())))
    return values as unknown as Box
  }

  /** Draws a box of the frame's pixels with the mouse. */
  async drag([x, y, w, h]: Box): Promise<void> {
    const area = (await this.page.locator('#stage').boundingBox())!
    const scale = Math.min(area.width / 480, area.height / 360)
    const left = area.x + (area.width - 480 * scale) / 2
    const top = area.y + (area.height - 360 * scale) / 2
    await this.page.mouse.move(left + x * scale, top + y * scale)
    await this.page.mouse.down()
    await this.page.mouse.move(left + (x + w / 2) * scale, top + (y + h / 3) * scale)
    await this.page.mouse.move(left + (x + w) * scale, top + (y + h) * scale)
    await this.page.mouse.up()
  }

  async export(name: string): Promise<{ name: string; text: string }> {
    const [download] = await Promise.all([this.page.waitForEvent('download'), this.page.getByRole('button', { name }).click()])
    return { name: download.suggestedFilename(), text: await textOf(download) }
  }
}

// The canvas: the frame, its box, the box that is being drawn, and what the pointer does to it.

import { between, dragged, gripAt } from './box.js'
import { scoreText } from './words.js'

/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./box.js').Grip} Grip */

const cursors = /** @type {const} */ ({ move: 'move', n: 'ns-resize', s: 'ns-resize', e: 'ew-resize', w: 'ew-resize', nw: 'nwse-resize', se: 'nwse-resize', ne: 'nesw-resize', sw: 'nesw-resize' })
const trackedColor = '#34d399'
const draftColor = '#fbbf24'
/** CSS pixels around an edge in which it can be taken; fingers need more. */
const reach = { mouse: 7, pen: 9, touch: 16 }

export class Stage {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import('./player.js').Player} player
   */
  constructor(canvas, player) {
    this.canvas = canvas
    this.player = player
    /** @type {{ grip: Grip | 'new', box: Box | undefined, x: number, y: number, moved: boolean } | undefined} */
    this.drag = undefined
    new ResizeObserver(() => this.draw()).observe(canvas)
    canvas.addEventListener('pointerdown', (event) => this.#down(event))
    canvas.addEventListener('pointermove', (event) => this.#move(event))
    canvas.addEventListener('pointerup', () => this.#up())
    canvas.addEventListener('pointercancel', () => this.#up())
  }

  /** Scale and place of the frame in the canvas, in CSS pixels. */
  get view() {
    const { width, height } = this.player.size
    const { clientWidth, clientHeight } = this.canvas
    const scale = Math.min(clientWidth / width, clientHeight / height)
    return { scale, left: (clientWidth - width * scale) / 2, top: (clientHeight - height * scale) / 2 }
  }

  draw() {
    const { canvas, player } = this
    const ratio = devicePixelRatio
    const width = Math.round(canvas.clientWidth * ratio)
    const height = Math.round(canvas.clientHeight * ratio)
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'))
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight)
    if (!player.picture || !player.source) return
    const { scale, left, top } = this.view
    pen.imageSmoothingQuality = 'high'
    pen.drawImage(player.picture, left, top, player.size.width * scale, player.size.height * scale)
    const { step, draft } = player
    if (step !== undefined) this.#box(pen, step.box, trackedColor, { faint: draft !== undefined, label: step.init ? 'given' : scoreText(step.score) })
    if (draft !== undefined) this.#box(pen, draft, draftColor, { handles: true })
  }

  /**
   * @param {CanvasRenderingContext2D} pen @param {Box} box @param {string} color
   * @param {{ faint?: boolean, label?: string, handles?: boolean }} how
   */
  #box(pen, box, color, { faint = false, label, handles = false }) {
    const { scale, left, top } = this.view
    const [x, y, w, h] = [left + box[0] * scale, top + box[1] * scale, box[2] * scale, box[3] * scale]
    pen.save()
    pen.globalAlpha = faint ? 0.45 : 1
    // A dark line below keeps the colour visible on every ground.
    pen.lineWidth = 4
    pen.strokeStyle = '#0009'
    pen.strokeRect(x, y, w, h)
    pen.lineWidth = 2
    pen.strokeStyle = color
    if (handles) pen.setLineDash([7, 4])
    pen.strokeRect(x, y, w, h)
    pen.setLineDash([])
    if (label !== undefined) {
      pen.font = '600 12px system-ui, sans-serif'
      const width = pen.measureText(label).width + 10
      const above = y > 20 ? y - 19 : y + 1
      pen.fillStyle = color
      pen.fillRect(x - 1, above, width, 18)
      pen.fillStyle = '#06231f'
      pen.fillText(label, x + 4, above + 13)
    }
    if (handles) {
      pen.fillStyle = color
      for (const across of [0, 0.5, 1]) {
        for (const down of [0, 0.5, 1]) {
          if (across === 0.5 && down === 0.5) continue
          if ((across === 0.5 && w < 40) || (down === 0.5 && h < 40)) continue
          pen.fillRect(x + w * across - 4, y + h * down - 4, 8, 8)
          pen.strokeStyle = '#0009'
          pen.lineWidth = 1
          pen.strokeRect(x + w * across - 4, y + h * down - 4, 8, 8)
        }
      }
    }
    pen.restore()
  }

  /** The pointer in pixels of the frame. @param {PointerEvent} event @returns {[number, number]} */
  #point(event) {
    const { scale, left, top } = this.view
    return [(event.offsetX - left) / scale, (event.offsetY - top) / scale]
  }

  /** @param {PointerEvent} event @param {number} x @param {number} y @returns {{ grip: Grip | 'new', box: Box | undefined }} */
  #grip(event, x, y) {
    const box = this.player.draft ?? this.player.step?.box
    const near = reach[/** @type {'mouse' | 'pen' | 'touch'} */ (event.pointerType)] ?? reach.mouse
    // Shift draws a new box inside of the old one.
    const grip = box === undefined || event.shiftKey ? undefined : gripAt(box, x, y, near / this.view.scale)
    return { grip: grip ?? 'new', box }
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0 || !this.player.picture || !this.player.online) return
    if (this.player.playing) this.player.pause()
    const [x, y] = this.#point(event)
    this.canvas.setPointerCapture(event.pointerId)
    this.drag = { ...this.#grip(event, x, y), x, y, moved: false }
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { drag, player } = this
    if (!player.picture) return
    const [x, y] = this.#point(event)
    if (drag === undefined) {
      const { grip } = this.#grip(event, x, y)
      this.canvas.style.cursor = grip === 'new' || player.playing ? 'crosshair' : cursors[grip]
      return
    }
    // A click is no box.
    const enough = 3 / this.view.scale
    drag.moved ||= Math.abs(x - drag.x) > enough || Math.abs(y - drag.y) > enough
    if (!drag.moved) return
    if (drag.grip === 'new' || drag.box === undefined) player.edit(between(drag.x, drag.y, x, y, player.size))
    else player.edit(dragged(drag.box, drag.grip, x - drag.x, y - drag.y, player.size))
  }

  #up() {
    if (this.drag?.moved) this.player.page.say('Box drawn. Space tracks from here, Enter takes the box, Escape leaves it.')
    this.drag = undefined
  }
}

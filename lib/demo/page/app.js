// Ties the page's parts together: what the player says is shown, what the user does is told to it.

import { listenToKeys } from './keyboard.js'
import { Player } from './player.js'
import { gotText, jsonText } from './run.js'
import { Stage } from './stage.js'
import { drawTimeline, frameUnder } from './timeline.js'
import { chosen, dropped, Uploader } from './uploader.js'
import { bytesText, fpsText, frameText, problemFrom, problemOf, scoreText, sentence } from './words.js'

/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./player.js').Source} Source */

/** @param {string} id */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id))
/** @param {string} id */
const button = (id) => /** @type {HTMLButtonElement} */ (at(id))
/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (at(id))
/** @param {string} id */
const canvas = (id) => /** @type {HTMLCanvasElement} */ (at(id))
const list = /** @type {HTMLSelectElement} */ (at('source'))
const dialog = /** @type {HTMLDialogElement} */ (at('help'))
const boxInputs = ['x', 'y', 'w', 'h'].map((name) => input(`box-${name}`))

/** @type {Source[]} */
let sources = []
/** @param {string} text */
const say = (text) => {
  at('status').textContent = text
}

/** @param {import('./words.js').Problem | undefined} problem @param {number} [frame] where tracking stands still */
function showProblem(problem, frame) {
  const hint = problem?.hint ?? (frame === undefined ? undefined : 'mend the file, leave the frame out, or draw the box in a frame behind it')
  at('problem').hidden = problem === undefined
  at('problem-text').textContent = problem === undefined ? '' : sentence(`${frame === undefined ? '' : `Frame ${frame + 1}: `}${problem.message}`)
  at('problem-hint').textContent = hint === undefined ? '' : sentence(hint[0]?.toUpperCase() + hint.slice(1))
  at('problem-skip').hidden = frame === undefined
}

const player = new Player({ changed: render, say, problem: showProblem })
const stage = new Stage(canvas('stage'), player)

function render() {
  const { source, run, step, draft, online } = player
  const ready = source !== undefined && player.picture !== undefined
  at('engine').textContent = player.session.tracker === '' ? (online ? 'Connecting …' : 'Not connected') : `${player.session.tracker} on ${player.session.device}${online ? '' : ' (not connected)'}`
  at('empty').hidden = ready
  button('play').disabled = !ready || !online || (!player.playing && draft === undefined && run.steps.size === 0) || (draft === undefined && player.atEnd && run.steps.has(player.view))
  at('play-text').textContent = player.playing ? 'Pause' : draft !== undefined && run.steps.size > 0 ? 'Track from here' : 'Track'
  at('play-shape').setAttribute('d', player.playing ? 'M5 4h4v12H5zM11 4h4v12h-4z' : 'M6 4v12l10-6z')
  button('back').disabled = !ready || player.view === 0
  button('forward').disabled = !ready || player.atEnd || (player.view >= player.furthest && (!online || !run.steps.has(player.view)))
  button('draw').disabled = !ready || !online
  at('draw').hidden = draft !== undefined
  at('draw').textContent = run.steps.size === 0 ? 'Draw box' : 'Correct box'
  at('accept').hidden = at('discard').hidden = draft === undefined
  at('position').textContent = ready ? frameText(player.view, player.frames) : '–'
  at('score').textContent = ready && step ? (step.init ? 'given' : scoreText(step.score)) : '–'
  at('fps').textContent = fpsText(run.fps(player.view))
  at('tracked').textContent = String(run.steps.size)
  at('given').textContent = String(run.given)
  const lowest = run.lowest()
  button('lowest').disabled = lowest === undefined
  at('lowest').textContent = lowest === undefined ? '–' : `${scoreText(lowest.score)}, frame ${lowest.frame + 1}`
  at('frame-size').textContent = ready ? `${player.size.width} × ${player.size.height}` : '–'
  button('export-txt').disabled = button('export-json').disabled = run.steps.size === 0
  at('remove-source').hidden = source?.uploaded !== true

  const box = draft ?? step?.box
  ;/** @type {HTMLFieldSetElement} */ (at('box-fields')).disabled = !ready || !online
  for (const [i, field] of boxInputs.entries()) if (field !== document.activeElement || draft === undefined) field.value = box === undefined ? '' : String(Math.round(/** @type {number} */ (box[i]) * 10) / 10)

  const scrubber = input('scrubber')
  scrubber.disabled = !ready
  scrubber.max = String(lastFrame())
  scrubber.value = String(player.view)
  // Read out when the user asks, not for each frame that goes by.
  const place = `${frameText(player.view, player.frames)}${box === undefined ? ', no box' : `, box at ${box.slice(0, 2).map(Math.round).join(', ')}, ${box.slice(2).map(Math.round).join(' by ')} pixels${draft ? ', being drawn' : step && !step.init ? `, score ${scoreText(step.score)}` : ''}`}`
  scrubber.setAttribute('aria-valuetext', place)
  canvas('stage').setAttribute('aria-label', ready ? place : 'No frame')
  stage.draw()
  drawTimeline(canvas('graph'), player, lastFrame())
}

/** The scrubber's end: of a video that was not read to its end, what it says of itself. */
function lastFrame() {
  return Math.max(0, (player.frames ?? player.source?.estimate ?? 1) - 1, player.run.last, player.view)
}

async function loadSources() {
  const response = await fetch('/api/sources')
  if (!response.ok) throw await problemOf(response)
  sources = (await response.json()).sources
  list.replaceChildren(...(sources.length === 0 ? [new Option('none yet: upload one', '')] : []), ...sources.map(({ id, name, kind, frames, uploaded }) => new Option(`${name} (${kind === 'video' ? 'video' : `${frames} ${frames === 1 ? 'image' : 'images'}`}${uploaded ? ', uploaded' : ''})`, id)))
  list.disabled = sources.length === 0
}

/** @param {string} [id] */
async function choose(id) {
  const source = sources.find((each) => each.id === id) ?? sources[0]
  if (source === undefined) return
  list.value = source.id
  await player.open(source)
}

const uploader = new Uploader((share) => {
  const bar = /** @type {HTMLProgressElement} */ (at('uploading-bar'))
  // All has arrived: how long the server looks at it is not known.
  if (share >= 1) bar.removeAttribute('value')
  else bar.value = share
})

/** @param {() => Promise<{ file: File, path: string }[]>} entries */
async function upload(entries) {
  try {
    const choice = chosen(await entries())
    const bytes = choice.files.reduce((sum, file) => sum + file.size, 0)
    showProblem(undefined)
    player.pause()
    at('uploading-text').textContent = `Uploading ${choice.name}: ${choice.files.length === 1 ? '' : `${choice.files.length} images, `}${bytesText(bytes)} …`
    at('uploading').hidden = false
    button('uploading-cancel').focus()
    const source = await uploader.send(choice)
    if (source === undefined) {
      say('The upload was cancelled.')
      return
    }
    await loadSources()
    await choose(source.id)
    canvas('stage').focus()
    if (choice.left > 0) say(`${choice.name} is open; ${choice.left} other ${choice.left === 1 ? 'file' : 'files'} of the folder stayed where they are. Draw a box around the target.`)
  } catch (error) {
    showProblem(problemFrom(error))
  } finally {
    at('uploading').hidden = true
  }
}

/** @param {string} text @param {string} ending @param {string} type */
function save(text, ending, type) {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${(player.source?.name ?? 'boxes').replace(/\.[a-z0-9]{2,4}$/i, '').replaceAll(/[^\w.-]+/g, '-')}_001.${ending}`
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
  say(`${link.download} is saved, with ${player.run.steps.size} boxes.`)
}

function exportText() {
  if (player.run.steps.size > 0) save(gotText(player.run), 'txt', 'text/plain')
}

function exportJson() {
  const { source, session, size, frames, run } = player
  if (run.steps.size > 0) save(jsonText(run, { source: source?.name ?? '', tracker: session.tracker, ...size, frames }), 'json', 'application/json')
}

function showLowest() {
  const lowest = player.run.lowest()
  if (lowest !== undefined) void player.show(lowest.frame)
}

list.addEventListener('change', () => void choose(list.value))
at('remove-source').addEventListener('click', async () => {
  const { source } = player
  if (source === undefined) return
  try {
    const response = await fetch(`/api/sources/${source.id}`, { method: 'DELETE' })
    if (!response.ok) throw await problemOf(response)
    player.close()
    await loadSources()
    await choose()
    say(`${source.name} is removed.`)
  } catch (error) {
    showProblem(problemFrom(error))
  }
})
at('upload-files').addEventListener('click', () => input('files-input').click())
at('upload-folder').addEventListener('click', () => input('folder-input').click())
for (const id of ['files-input', 'folder-input']) {
  input(id).addEventListener('change', () => {
    const files = [...(input(id).files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    input(id).value = ''
    if (files.length > 0) void upload(async () => files)
  })
}
at('uploading-cancel').addEventListener('click', () => uploader.cancel())
for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(type, (event) => {
    event.preventDefault()
    at('frame-area').classList.toggle('dropping', type === 'dragenter' || type === 'dragover')
    const { dataTransfer } = /** @type {DragEvent} */ (event)
    if (type === 'drop' && dataTransfer && dataTransfer.items.length > 0) {
      const files = dropped(dataTransfer)
      void upload(() => files)
    }
  })
}

at('play').addEventListener('click', () => void player.toggle())
at('back').addEventListener('click', () => void player.show(player.view - 1))
at('forward').addEventListener('click', () => void player.forward())
at('draw').addEventListener('click', () => {
  player.edit()
  canvas('stage').focus()
})
at('accept').addEventListener('click', async () => {
  await player.accept()
  canvas('stage').focus()
})
at('discard').addEventListener('click', () => {
  player.discard()
  canvas('stage').focus()
})
input('scrubber').addEventListener('input', () => void player.show(Number(input('scrubber').value)))
canvas('graph').addEventListener('pointerdown', (event) => player.source && void player.show(frameUnder(canvas('graph'), event.offsetX, lastFrame())))
canvas('graph').addEventListener('pointermove', (event) => player.source && event.buttons === 1 && void player.show(frameUnder(canvas('graph'), event.offsetX, lastFrame())))
for (const field of boxInputs) {
  field.addEventListener('input', () => {
    const box = boxInputs.map((each) => each.valueAsNumber)
    if (box.every(Number.isFinite)) player.edit(/** @type {Box} */ (box))
  })
}
at('lowest').addEventListener('click', showLowest)
at('export-txt').addEventListener('click', exportText)
at('export-json').addEventListener('click', exportJson)
at('problem-close').addEventListener('click', () => showProblem(undefined))
at('problem-skip').addEventListener('click', () => void player.skip())
at('help-button').addEventListener('click', () => dialog.showModal())
input('single-keys').checked = localStorage.getItem('single-keys') !== 'off'
input('single-keys').addEventListener('change', () => localStorage.setItem('single-keys', input('single-keys').checked ? 'on' : 'off'))
listenToKeys({
  player,
  stage: canvas('stage'),
  dialog,
  singleKeys: input('single-keys'),
  run: (command) => (command === 'help' ? dialog.showModal() : command === 'lowest' ? showLowest() : exportText()),
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', render)
new ResizeObserver(() => drawTimeline(canvas('graph'), player, lastFrame())).observe(at('graph'))

try {
  await loadSources()
  if (sources.length > 0) await choose()
  else say('Upload a video or images, or drop them onto the page.')
} catch (error) {
  showProblem(problemFrom(error))
}
render()

// Files and folders on their way to the server: announced, sent one by one, made a source (see lib/demo/uploads.ts).

import { problemFrom, problemOf } from './words.js'

const image = /\.(jpe?g|png|webp)$/i

/** @typedef {{ name: string, files: File[], left: number }} Choice */

/**
 * What of a choice is uploaded. Of a folder its images are: annotations and the like that lie beside them stay where they are.
 * @param {{ file: File, path: string }[]} entries
 * @returns {Choice}
 */
export function chosen(entries) {
  const visible = entries.filter(({ path }) => !path.split('/').some((part) => part.startsWith('.')))
  const folder = visible.find(({ path }) => path.includes('/'))?.path.split('/')[0]
  const wanted = folder === undefined ? visible : visible.filter(({ path }) => image.test(path))
  if (wanted.length === 0) {
    throw folder === undefined
      ? { message: 'No file was chosen' }
      : { message: `The folder ${folder} holds no image (JPEG, PNG or WebP)`, hint: 'choose the folder that the frames are in; a video is uploaded as a file' }
  }
  const folders = new Set(wanted.map(({ path }) => path.split('/').slice(0, -1).join('/')))
  if (folders.size > 1) throw { message: `There are images in ${folders.size} folders of ${folder}`, hint: 'choose one folder of frames: they are one sequence' }
  const files = wanted.map(({ file }) => file)
  const name = [...folders][0]?.split('/').at(-1) || (files.length === 1 ? /** @type {File} */ (files[0]).name : `${files.length} images`)
  return { name, files, left: entries.length - files.length }
}

export class Uploader {
  /** @type {XMLHttpRequest | undefined} */
  #request
  #cancelled = false
  #busy = false

  /** @param {(share: number) => void} progress 0 to 1 */
  constructor(progress) {
    this.progress = progress
  }

  cancel() {
    this.#cancelled = true
    this.#request?.abort()
  }

  /**
   * @param {Choice} choice
   * @returns {Promise<import('./player.js').Source | undefined>} undefined when it was cancelled; rejects with a problem
   */
  async send({ name, files }) {
    if (this.#busy) throw { message: 'An upload is on its way', hint: 'wait for it, or cancel it' }
    this.#busy = true
    this.#cancelled = false
    /** @type {string | undefined} */
    let upload
    try {
      const announced = await fetch('/api/uploads', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name, files: files.map((file) => ({ name: file.name, size: file.size })) }) })
      if (!announced.ok) throw await problemOf(announced)
      const answer = await announced.json()
      upload = answer.upload
      const total = files.reduce((sum, file) => sum + file.size, 0)
      let sent = 0
      for (const [i, file] of files.entries()) {
        if (this.#cancelled) return undefined
        await this.#put(`/api/uploads/${upload}/files/${answer.numbers[i]}`, file, (loaded) => this.progress((sent + loaded) / total))
        sent += file.size
        this.progress(sent / total)
      }
      if (this.#cancelled) return undefined
      const finished = await fetch(`/api/uploads/${upload}/finish`, { method: 'POST' })
      if (!finished.ok) throw await problemOf(finished)
      upload = undefined
      return (await finished.json()).source
    } catch (error) {
      if (this.#cancelled) return undefined
      throw problemFrom(error)
    } finally {
      this.#busy = false
      // What was refused is gone already; what was cancelled goes now.
      if (upload !== undefined) void fetch(`/api/uploads/${upload}`, { method: 'DELETE' }).catch(() => {})
    }
  }

  /** fetch() does not tell how far it is. @param {string} url @param {File} file @param {(loaded: number) => void} progress */
  #put(url, file, progress) {
    return new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
      const request = new XMLHttpRequest()
      this.#request = request
      request.open('PUT', url)
      request.setRequestHeader('Content-Type', 'application/octet-stream')
      request.upload.addEventListener('progress', ({ loaded }) => progress(loaded))
      request.addEventListener('load', () => {
        if (request.status < 300) return resolve()
        try {
          reject(JSON.parse(request.responseText).error)
        } catch {
          reject({ message: `The server answered ${request.status}` })
        }
      })
      request.addEventListener('error', () => reject({ message: `The upload of ${file.name} broke off`, hint: 'is siamtrain demo still running, and the file still there?' }))
      request.addEventListener('abort', () => reject({ message: 'The upload was cancelled' }))
      request.send(file)
    })
  }
}

/**
 * Files of a drop, those of folders with their paths.
 * @param {DataTransfer} transfer
 * @returns {Promise<{ file: File, path: string }[]>}
 */
export async function dropped(transfer) {
  // The list is emptied as soon as this task ends: all is taken from it before anything is awaited.
  const items = [...transfer.items].filter(({ kind }) => kind === 'file').map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }))
  const files = await Promise.all(items.map(({ entry, file }) => (entry === null ? (file === null ? [] : [{ file, path: file.name }]) : under(entry, ''))))
  return files.flat()
}

/** @param {FileSystemEntry} entry @param {string} above @returns {Promise<{ file: File, path: string }[]>} */
async function under(entry, above) {
  const path = above + entry.name
  if (entry.isFile) {
    const file = await new Promise((/** @type {(file: File) => void} */ resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject))
    return [{ file, path }]
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader()
  const found = []
  // A reader gives a hundred at a time.
  for (;;) {
    const some = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) break
    found.push(...(await Promise.all(some.map((each) => under(each, `${path}/`)))))
  }
  return found.flat()
}

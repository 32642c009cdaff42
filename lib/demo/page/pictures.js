// Frames as pictures, fetched a little ahead and kept for a while.

import { problemOf } from './words.js'

/** More than play looks ahead; a frame of 4K has 33 MB when it is decoded. */
const kept = 6

export class Pictures {
  /** @type {Map<number, Promise<ImageBitmap>>} in the order of their last use */
  #pictures = new Map()
  #source = ''
  /** The frame that is shown: its picture stays. */
  held = 0

  /** @param {string} source */
  open(source) {
    for (const picture of this.#pictures.values()) free(picture)
    this.#pictures.clear()
    this.#source = source
  }

  /**
   * @param {number} frame
   * @returns {Promise<ImageBitmap>} good until a few others were asked for, unless it is the held one's; rejects with a problem to show
   */
  get(frame) {
    const picture = this.#pictures.get(frame) ?? this.#fetch(frame)
    this.#pictures.delete(frame)
    this.#pictures.set(frame, picture)
    for (const [other, old] of this.#pictures) {
      if (this.#pictures.size <= kept) break
      if (other === this.held) continue
      this.#pictures.delete(other)
      free(old)
    }
    return picture
  }

  /** Starts fetching; what fails is told when the frame is needed. @param {number} frame */
  prefetch(frame) {
    this.get(frame).catch(() => {})
  }

  /** @param {number} frame @returns {Promise<ImageBitmap>} */
  async #fetch(frame) {
    const source = this.#source
    try {
      const response = await fetch(`/api/sources/${source}/frames/${frame}`)
      if (!response.ok) throw await problemOf(response)
      const blob = await response.blob()
      return await createImageBitmap(blob).catch(() => {
        throw { message: `Frame ${frame + 1} is damaged and cannot be shown`, hint: 'mend the file, or leave the frame out' }
      })
    } catch (error) {
      if (this.#source === source) this.#pictures.delete(frame)
      throw error
    }
  }
}

/** @param {Promise<ImageBitmap>} picture */
function free(picture) {
  picture.then((bitmap) => bitmap.close()).catch(() => {})
}

/** A picture at a smaller size, each pixel the mean of those that it covers. For looking at; the tracker's own pixels never pass here. */
import type { Picture } from './draw.ts'

/** @param width, height at most the picture's */
export function reduced(picture: Picture, width: number, height: number): Picture {
  if (width === picture.width && height === picture.height) return picture
  const data = new Uint8Array(width * height * 3)
  const columns = Array.from({ length: width + 1 }, (_, x) => Math.floor((x * picture.width) / width))
  for (let y = 0; y < height; y++) {
    const top = Math.floor((y * picture.height) / height)
    const bottom = Math.max(top + 1, Math.floor(((y + 1) * picture.height) / height))
    for (let x = 0; x < width; x++) {
      const left = columns[x] as number
      const right = Math.max(left + 1, columns[x + 1] as number)
      let [first, second, third] = [0, 0, 0]
      for (let v = top; v < bottom; v++) {
        for (let at = (v * picture.width + left) * 3, end = (v * picture.width + right) * 3; at < end; at += 3) {
          first += picture.data[at] as number
          second += picture.data[at + 1] as number
          third += picture.data[at + 2] as number
        }
      }
      const count = (bottom - top) * (right - left)
      const to = (y * width + x) * 3
      data[to] = Math.round(first / count)
      data[to + 1] = Math.round(second / count)
      data[to + 2] = Math.round(third / count)
    }
  }
  return { data, width, height }
}

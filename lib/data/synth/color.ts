/** Colours as packed 0xAABBGGRR integers (R in the lowest byte), and the arithmetic on them. */

/** @param r,g,b,a 0..255, clamped */
export function pack(r: number, g: number, b: number, a = 255): number {
  return ((clamp255(a) << 24) | (clamp255(b) << 16) | (clamp255(g) << 8) | clamp255(r)) >>> 0
}

function clamp255(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : Math.round(value)
}

/** Hue in turns (any real), saturation and value 0..1. */
export function hsv(hue: number, saturation: number, value: number): number {
  const channel = (shift: number): number => {
    const k = (((hue * 6 + shift) % 6) + 6) % 6
    return 255 * value * (1 - saturation * Math.max(0, Math.min(1, Math.min(k, 4 - k))))
  }
  return pack(channel(5), channel(3), channel(1))
}

/** Between two packed colours, all four channels; w in 0..256. */
export function mix(a: number, b: number, w: number): number {
  const v = 256 - w
  const even = ((Math.imul(a & 0xff00ff, v) + Math.imul(b & 0xff00ff, w)) >>> 8) & 0xff00ff
  const odd = (Math.imul((a >>> 8) & 0xff00ff, v) + Math.imul((b >>> 8) & 0xff00ff, w)) & 0xff00ff00
  return (even | odd) >>> 0
}

/** Brightness times factor, alpha kept. */
export function shade(color: number, factor: number): number {
  return pack((color & 255) * factor, ((color >>> 8) & 255) * factor, ((color >>> 16) & 255) * factor, color >>> 24)
}

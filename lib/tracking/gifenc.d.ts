/** The part of gifenc (which brings no types) that we use. */
declare module 'gifenc' {
  type Palette = number[][]
  export interface Encoder {
    writeFrame(index: Uint8Array, width: number, height: number, options: { palette: Palette; delay: number; repeat?: number }): void
    finish(): void
    bytes(): Uint8Array
    bytesView(): Uint8Array
    reset(): void
  }
  export interface Gifenc {
    GIFEncoder(options?: { auto?: boolean; initialCapacity?: number }): Encoder
    quantize(rgba: Uint8Array, colors: number, options?: { format?: 'rgb565' | 'rgb444' }): Palette
    applyPalette(rgba: Uint8Array, palette: Palette, format?: 'rgb565' | 'rgb444'): Uint8Array
  }
  export const GIFEncoder: Gifenc['GIFEncoder']
  export const quantize: Gifenc['quantize']
  export const applyPalette: Gifenc['applyPalette']
  const gifenc: Gifenc
  export default gifenc
}

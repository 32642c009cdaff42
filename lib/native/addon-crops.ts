/** The part of the addon's contract about crops, pictures on other grids than their frame's, and batches on their way to a device. */
import type { NativeTensor } from './addon.ts'

/** Column (or row) i of a picture shows the frame at origin + step · i, between pixel centres. */
export interface GridAxis {
  origin: number
  step: number
}

export interface PixelGrid {
  x: GridAxis
  y: GridAxis
}

/** Pixels that are a part of a picture of a frame, both possibly at another resolution than the frame. */
export interface PicturePlace {
  frame: { width: number; height: number }
  /** From the picture's pixels to the frame's. */
  grid: PixelGrid
  /** The picture's pixel that comes first; its left top by default. */
  at?: { x: number; y: number }
}

export interface CropAddon {
  /**
   * Crop a square of sizePx around (cx, cy) and warp it to outSize²: BGR HWC in, BGR out, HWC unless told.
   * @param padding  what lies outside of the frame; null: the frame's mean, truncated
   * @param picture  where the pixels lie in the frame that cx, cy and sizePx mean, if they are not that frame; wants a padding
   */
  cropSubwindow(
    pixels: Uint8Array,
    width: number,
    height: number,
    cx: number,
    cy: number,
    sizePx: number,
    outSize: number,
    padding: [number, number, number] | null,
    layout?: 'hwc' | 'chw',
    picture?: PicturePlace,
  ): Uint8Array
  /** What cropSubwindow touches: a rectangle of the frame, not clipped to it; with a grid one of the picture, not clipped either. */
  cropFootprint(cx: number, cy: number, sizePx: number, outSize: number, grid?: PixelGrid): { x: number; y: number; width: number; height: number }
  /**
   * At least what bilinear sampling of the frame's `region` needs, `reduction` (2, 4 or 8) times smaller where the frame's format allows it, and
   * as decodeJpeg gives it where not: `grid` tells. width, height, x and y are the smaller picture's. Throws as decodeJpeg.
   */
  decodeReduced(
    bytes: Uint8Array,
    region: { x: number; y: number; width: number; height: number },
    reduction: number,
  ): { data: Uint8Array; width: number; height: number; x: number; y: number; grid: PixelGrid }
  /** For tests: the pixel loops of an instruction set from now on, '' for the fastest; all give the same bits. @returns those that this CPU runs */
  usePixelKernels(name: string): string[]
}

export interface DeviceCopyAddon {
  /**
   * The tensors on `device`, under their names; those that lie there already share their values. Where they lie in page-locked memory
   * (LoaderSpec.device) the copy goes on after the promise has resolved, and what it reads is kept until it is done: the caller may dispose
   * its handles at once.
   */
  toDevice(tensors: Record<string, NativeTensor>, device: string): Promise<Record<string, NativeTensor>>
  /** Tensors whose copy to a device was not known to be done when the last one began. */
  heldCopies(): number
  /** For tests: toDevice copies within the CPU's memory, but not before finishCopies(); false: as always. */
  delayCopies(late: boolean): Promise<void>
  finishCopies(): void
}

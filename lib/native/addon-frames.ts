/** Parts of the addon's contract (addon.ts): frames of any format, and the means that are kept of them. */

export interface FrameDecoding {
  /** Says where libvips is, for PNG and WebP (lib/native/load.ts calls it); a frame that needs it opens it, or throws ERR_SETUP. */
  setPictureLibrary(path: string): void
  /** Where libvips should be, and its version ('' as long as it is not open). With `open` it is opened first: throws ERR_SETUP when it cannot be. */
  pictureLibrary(open?: boolean): { path: string; version: string }
  /**
   * BGR pixels as OpenCV's imread gives them, of JPEG, PNG and WebP, told by the first bytes. With a region: at least that part, from (x, y) on.
   * Throws ERR_DATA when it is none of them, truncated or corrupt, ERR_SETUP without the format's library.
   */
  decodeFrame(bytes: Uint8Array, region?: { x: number; y: number; width: number; height: number }): { data: Uint8Array; width: number; height: number; x: number; y: number }
  /**
   * Size as shown of a frame of any of them. The beginning of a JPEG will do; of PNG and WebP it gives the size as stored, since what turns
   * the picture may stand behind the pixels. Throws ERR_DATA when the header is not there or damaged.
   */
  frameInfo(bytes: Uint8Array): { width: number; height: number }
  /**
   * Reads a file and decodes all of it, without handing the pixels over. Size as shown, and of the file in bytes.
   * Throws ERR_IO when it cannot be read, ERR_DATA when it is no frame, truncated or corrupt, ERR_SETUP without the format's library.
   */
  verifyFrame(file: string): { width: number; height: number; bytes: number }
}

/** Means of whole frames, of the handle on a cached index. */
export interface KeptMeans {
  /** Means that its loaders came to know since they were last saved. */
  readonly unsavedMeans: number
  /**
   * Takes means of whole frames from a file, where none are known. @returns how many; 0 where there is no file, or one of another index.
   * Rejects with ERR_IO when it cannot be read, ERR_DATA when it is damaged.
   */
  loadMeans(file: string): Promise<number>
  /** Writes all known means, and what another process wrote there meanwhile. `lock` is a file that is there. Rejects with ERR_IO. */
  saveMeans(file: string, lock: string): Promise<{ known: number; added: number }>
  /** Computes the means of `count` frames from `first` on that have none. Frames that cannot be decoded are counted, the first is named. */
  computeMeans(first: number, count: number, threads: number): Promise<{ computed: number; failed: number; firstFile?: string; firstReason?: string }>
}

/** What one demo server takes on before it says no, in words. */
export interface DemoLimits {
  /** Tabs that track at the same time; each has a tracker of its own. */
  sessions: number
  /** Bytes of one upload. */
  uploadBytes: number
  /** Bytes of all uploads that are kept, and of the frames that were read out of videos. */
  storedBytes: number
  /** Files of one upload. */
  uploadFiles: number
  /** Uploads that are on their way or kept. */
  uploads: number
}

const gibibyte = 2 ** 30

export const defaultLimits: DemoLimits = { sessions: 8, uploadBytes: 2 * gibibyte, storedBytes: 8 * gibibyte, uploadFiles: 20_000, uploads: 32 }

/** '2 GiB', '512 kiB', '17 bytes' */
export function bytesText(bytes: number): string {
  for (const [name, size] of [['GiB', gibibyte], ['MiB', 2 ** 20], ['kiB', 1024]] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${name}`
  }
  return `${bytes} bytes`
}

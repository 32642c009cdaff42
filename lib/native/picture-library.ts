/** Where libvips is, which decodes PNG and WebP: an optional npm package carries it ready-built for each platform. */
import { createRequire } from 'node:module'

/** @returns the library's path, or '' where the package is not installed */
export function pictureLibraryPath(): string {
  try {
    return createRequire(import.meta.url).resolve(`@img/sharp-libvips-${process.platform}-${process.arch}/binary`)
  } catch {
    return ''
  }
}

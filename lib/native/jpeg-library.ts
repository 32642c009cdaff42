/** Where libturbojpeg is: the npm package @julusian/jpeg-turbo carries it ready-built for each platform. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** @returns the path where the library should be (whoever opens it says whether it is), or the bare file name when the package is not installed */
export function jpegLibraryPath(): string {
  const file = 'libturbojpeg.so.0'
  const arch = process.arch === 'x64' && isMusl() ? 'x64-musl' : process.arch
  try {
    const manifest = createRequire(import.meta.url).resolve('@julusian/jpeg-turbo/package.json')
    return path.join(path.dirname(manifest), 'prebuilds', `jpeg-turbo-${process.platform}-${arch}`, file)
  } catch {
    return file
  }
}

/** Whether this is a musl system (Alpine): its loader is there and glibc's is not. */
function isMusl(): boolean {
  return process.platform === 'linux' && existsSync('/lib/ld-musl-x86_64.so.1') && !existsSync('/lib64/ld-linux-x86-64.so.2')
}

/** Loads the addon once an environment, through the one call of `bindings`; its errors become SiamErrors. */
import bindings from 'bindings'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { SiamError, errorCodes, type ErrorCode } from '../errors.ts'
import type { NativeAddon } from './addon.ts'
import { deviceError } from './device-errors.ts'
import { jpegLibraryPath } from './jpeg-library.ts'
import { pictureLibraryPath } from './picture-library.ts'

/** The contract version that this TypeScript was written against (NativeAddon.abi). */
const expectedAbi = 1

type Internals = NativeAddon & {
  setErrorFactory(factory: (code: string, message: string, file?: string) => SiamError): void
  /** Refuses new work, closes loaders, waits for the stage that runs, joins the engine thread. Twice is a no-op. */
  shutDown(): void
}

let loaded: NativeAddon | undefined

/** The package's root: the folder that holds package.json, from lib/ and from dist/ alike. */
export function packageRoot(): string {
  return path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
}

/**
 * The native addon, loaded at the first call.
 * @throws ERR_SETUP when it is not built, does not load, or was built from other sources
 */
export function loadAddon(): NativeAddon {
  if (loaded !== undefined) return loaded
  const root = packageRoot()
  const file = path.join(root, 'build', 'Release', 'siamfcpp.node')
  if (!existsSync(file)) {
    throw new SiamError('ERR_SETUP', 'the native addon is not built', { file, hint: 'run `npm run setup` in the package folder' })
  }
  let addon: Internals
  try {
    addon = bindings({ bindings: 'siamfcpp.node', module_root: root }) as Internals
  } catch (cause) {
    throw new SiamError('ERR_SETUP', `the native addon does not load: ${cause instanceof Error ? cause.message : String(cause)}`, {
      file,
      hint: 'run `npm run setup`; `siamtrain doctor` says which libtorch is in use',
      cause,
    })
  }
  if (addon.abi !== expectedAbi) {
    throw new SiamError('ERR_SETUP', `the native addon is of contract ${addon.abi}, this package needs ${expectedAbi}`, { file, hint: 'run `npm run setup`' })
  }
  addon.setErrorFactory((code, message, errorFile) => {
    const known = (errorCodes as readonly string[]).includes(code) ? (code as ErrorCode) : 'ERR_INTERNAL'
    return deviceError(known, message, errorFile === undefined ? {} : { file: errorFile })
  })
  // Where it cannot be opened, decoding says so (ERR_SETUP); all else works without it.
  addon.initJpeg(jpegLibraryPath())
  addon.setPictureLibrary(pictureLibraryPath())
  // process.exit() and uncaught errors run no cleanup hook on the main thread: libtorch's statics would go while the engine uses them.
  process.once('exit', () => addon.shutDown())
  loaded = addon
  return addon
}

/** Where things that can be made again are kept for the user: the folder that set-up keeps libtorch in, too. */
import os from 'node:os'
import path from 'node:path'

/** `$XDG_CACHE_HOME/siamfcpp-native`, or `~/.cache/siamfcpp-native`; a relative XDG_CACHE_HOME does not count, as its specification says. */
export function userCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME: own } = env
  const base = own !== undefined && path.isAbsolute(own) ? own : path.join(os.homedir(), '.cache')
  return path.join(base, 'siamfcpp-native')
}

/**
 * The install script of the published package: builds the addon where `npm install siamfcpp-native` put it.
 *
 * It ends with 0 also when the build fails: npm would otherwise take back the whole installation, with the explanation cut to its last
 * lines, and the schedule, config, inspect and TFEvents parts work without the addon. The reason is printed, `siamtrain doctor` repeats
 * it, and whatever needs the addon throws ERR_SETUP with the same remedy. SIAMFCPP_INSTALL=strict makes a failed build fail the
 * installation; SIAMFCPP_SKIP_INSTALL=1 skips it (our own set-up, which builds by itself, sets that).
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { root, setupCommand } from './setup.mjs'

// A checkout has its tests beside it; its owner builds with npm run setup, npm test or npm run quickstart.
const isCheckout = existsSync(path.join(root, 'test'))
if (process.env.SIAMFCPP_SKIP_INSTALL === '1' || isCheckout) {
  process.exitCode = 0
} else {
  const again = `node ${path.join(root, 'scripts', 'build-native.mjs')}`
  const code = await setupCommand(['native'], again)
  if (code !== 0) process.stderr.write('siamfcpp-native is installed, but its C++ part is not built: see above\n')
  process.exitCode = process.env.SIAMFCPP_INSTALL === 'strict' ? code : 0
}

/** Builds the C++ addon alone (npm run build:native): finds or fetches libtorch, then lets CMake do what is out of date. */
import { setupCommand } from './setup.mjs'

process.exitCode = await setupCommand(['native'], 'npm run build:native')

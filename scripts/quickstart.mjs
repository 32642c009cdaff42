/** npm run quickstart: set-up, then `siamtrain quickstart` with the arguments given. */
import path from 'node:path'
import { childEnvironment, productNode } from './lib/dependencies.mjs'
import { handOver } from './lib/hand-over.mjs'
import { root, setupCommand } from './setup.mjs'

const args = process.argv.slice(2)
const ready = await setupCommand(undefined, 'npm run quickstart')
process.exitCode =
  ready !== 0 ? ready : await handOver(productNode(root), [path.join(root, 'bin', 'siamtrain.js'), 'quickstart', ...args], { cwd: root, env: childEnvironment(root) })

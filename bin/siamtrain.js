#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { handOver } from '../scripts/lib/hand-over.mjs'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)
const newer = at('../node_modules/node/bin/node')
const fail = (message) => process.stderr.write(`siamtrain: ERR_SETUP ${message}\n`, () => process.exit(1))
if (!existsSync(at('../dist/cli/index.js'))) fail(`not built yet: run npm run setup in ${at('..')}`)
else if (major > 22 || (major === 22 && minor >= 18)) await (await import('../dist/cli/index.js')).main(process.argv.slice(2))
else if (existsSync(newer)) process.exitCode = await handOver(newer, [at(import.meta.url), ...process.argv.slice(2)])
else fail(`Node ${process.version} (${process.execPath}) is too old: 22.18 or newer is needed`)

/** Prints as JSON where libtorch is, or each place that was looked at and why it was not taken. */
import { findLibtorch } from './lib/libtorch.mjs'

const { found, looked } = findLibtorch()
process.stdout.write(`${JSON.stringify({ found: found ?? null, looked })}\n`)
process.exitCode = found === undefined ? 1 : 0

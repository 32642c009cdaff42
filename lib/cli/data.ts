/** `siamtrain data`: what can be done with data sets. One file a subcommand. */
import type { Command } from 'commander'
import { registerDataIndexCommand } from './data-index.ts'
import { registerDataPackCommand } from './data-pack.ts'
import { registerDataStatsCommand } from './data-stats.ts'
import { registerDataVerifyCommand } from './data-verify.ts'

const examples = `
Examples:
  siamtrain data index configs/siamfcpp_alexnet-got10k.yaml
  siamtrain data verify datasets/GOT-10k
  siamtrain data stats datasets/GOT-10k --svg boxes.svg
  siamtrain data pack configs/siamfcpp_alexnet-got10k.yaml --out packs`

/** Adds `data` with its subcommands to the program. */
export function registerDataCommand(program: Command): void {
  const data = program.command('data').description('index, verify and pack data sets, and show what is in them').addHelpText('after', examples)
  registerDataIndexCommand(data)
  registerDataVerifyCommand(data)
  registerDataStatsCommand(data)
  registerDataPackCommand(data)
}

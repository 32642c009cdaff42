/** `siamtrain data`: what can be done with data sets. One file a subcommand. */
import type { Command } from 'commander'
import { registerDataIndexCommand } from './data-index.ts'

const examples = `
Example:
  siamtrain data index configs/siamfcpp_alexnet-got10k.yaml`

/** Adds `data` with its subcommands to the program. */
export function registerDataCommand(program: Command): void {
  const data = program.command('data').description('index data sets').addHelpText('after', examples)
  registerDataIndexCommand(data)
}

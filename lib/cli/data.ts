/** `siamtrain data`: what can be done with data sets. One file a subcommand. */
import type { Command } from 'commander'
import { registerDataIndexCommand } from './data-index.ts'

/** Adds `data` with its subcommands to the program. */
export function registerDataCommand(program: Command): void {
  const data = program.command('data').description('index data sets')
  registerDataIndexCommand(data)
}

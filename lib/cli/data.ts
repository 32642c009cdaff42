/** `siamtrain data`: what can be done with data sets. One file a subcommand. */
import type { Command } from 'commander'
import { registerDataStatsCommand } from './data-stats.ts'
import { registerDataVerifyCommand } from './data-verify.ts'

/** Adds `data` with its subcommands to the program. */
export function registerDataCommand(program: Command): void {
  const data = program.command('data').description('verify data sets and show what is in them')
  registerDataVerifyCommand(data)
  registerDataStatsCommand(data)
}

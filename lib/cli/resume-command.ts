/** The command that goes on with a stopped run, as the user would type it. */
import path from 'node:path'
import type { TrainFlags } from './train.ts'

/** Quotes a word for a POSIX shell where it needs it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** How this process was called: `siamtrain`, `npx siamtrain`, or `node path/to/siamtrain.js`. */
function program(): string[] {
  const script = process.argv[1] ?? 'siamtrain'
  if (path.basename(script) === 'siamtrain') return process.env.npm_command === 'exec' ? ['npx', 'siamtrain'] : ['siamtrain']
  const relative = path.relative(process.cwd(), script)
  return ['node', relative.startsWith('..') ? script : relative]
}

/** @returns the same call with `--resume latest`, without what only made sense the first time (--overwrite, --max-iterations stays out too) */
export function commandLine(configFile: string, overrides: readonly string[], flags: TrainFlags): string {
  const words = [...program(), 'train', configFile, ...overrides, '--resume', 'latest']
  if (flags.device !== 'cpu') words.push('--device', flags.device)
  if (flags.pack !== undefined) words.push('--pack', flags.pack)
  const values = { '--nproc': flags.nproc, '--backend': flags.backend, '--dist-timeout': flags.distTimeout, '--dist-start-timeout': flags.distStartTimeout, '--seed': flags.seed, '--threads': flags.threads, '--workers': flags.workers, '--cache': flags.cache, '--snapshot-every': flags.snapshotEvery }
  for (const [name, value] of Object.entries(values)) if (value !== undefined) words.push(name, String(value))
  const switches = { '--strict': flags.strict, '--json': flags.json, '--quiet': flags.quiet }
  for (const [name, on] of Object.entries(switches)) if (on === true) words.push(name)
  return words.map(shellQuote).join(' ')
}

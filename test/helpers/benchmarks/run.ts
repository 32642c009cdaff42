/** Runs of a small tracker over small benchmarks. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { loadConfig, type Config } from '../../../lib/config/index.ts'
import { shared } from '../shared.ts'

export const configFile = (): string => shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml')
/** Trained for a while on real frames. */
export const weights = (): string => shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
export const tracker = 'siamfcpp_tinyconv-got'

export async function tinyConfig(...overrides: string[]): Promise<Config> {
  return loadConfig(configFile(), overrides, { onWarning: () => {} })
}

/** Result files below a folder but those of times, which no two runs share: path → text. */
export function resultsIn(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(path.join(folder, name)).isFile() && !name.endsWith('_time.txt')).sort()
  return Object.fromEntries(files.map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]))
}

export function lineCount(text: string | undefined): number {
  return (text ?? '').split('\n').length - 1
}

/** What building a trainer takes care of where it is one of several processes. */
import type { ProcessGroup } from '../distributed/group.ts'

/** 'cuda' is each rank's own one; a device with a number is taken at its word, so that ranks may share one. */
export function deviceOfRank(group: ProcessGroup | undefined, device: string | undefined): string | undefined {
  return group !== undefined && device === 'cuda' ? `cuda:${group.localRank}` : device
}

/** The first rank says everything. What the others find is mostly the same; what they warn of may be theirs alone, and names them. */
export function logOfRank(group: ProcessGroup | undefined, log: (line: string) => void): (line: string) => void {
  if (group === undefined || group.rank === 0) return log
  return (line) => {
    if (/^(Warning|Skipped )/.test(line)) process.stderr.write(`[rank ${group.rank}] ${line}\n`)
  }
}

/**
 * Builds on all ranks.
 * @param first  where one process of a machine leaves something that the others then need not make again: it goes first
 */
export async function buildInTurns<T>(group: ProcessGroup | undefined, first: boolean, build: () => Promise<T>): Promise<T> {
  if (group === undefined) return build()
  if (!first) return (await group.together(build)).value
  const early = await group.together(() => (group.localRank === 0 ? build() : undefined))
  const late = await group.together(() => (group.localRank === 0 ? undefined : build()))
  return (early.value ?? late.value) as T
}

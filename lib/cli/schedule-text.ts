/** What `siamtrain schedule` prints: a table for people, rows for programs. */
import { csvText as commaSeparated, type CsvCell } from '../csv.ts'
import { iterationsOf, type Schedule } from '../engine/schedule.ts'

/** epoch, iteration, base rate, each group's rate, how many parameters are frozen, and the decay of the average where there is one. */
export function csvText(plan: Schedule, every: number): string {
  const names = plan.groups.map((group) => `lr_${group.name}`)
  const rows: CsvCell[][] = [['epoch', 'iteration', 'lr', ...names, 'frozen_parameters', ...(plan.ema === null ? [] : ['ema_decay'])]]
  for (const [epoch, iteration] of iterationsOf(plan, every)) {
    const lr = plan.lrAt(epoch, iteration)
    const average = plan.ema === null ? [] : [plan.emaDecayAt(epoch, iteration)]
    rows.push([epoch, iteration, lr, ...plan.groups.map((group) => lr * group.ratio), (plan.frozen[epoch] as string[]).length, ...average])
  }
  return commaSeparated(rows)
}

/** One line an epoch: each group's rate at its start and end, and what is frozen. */
export function tableText(plan: Schedule, withParameters: boolean): string {
  const { maxEpoch, numIterations, groups } = plan
  const out = [`${maxEpoch} epochs of ${numIterations} iterations`, ...optionLines(plan), '']
  const head = ['epoch', ...groups.map((group) => `${group.name} (× ${group.ratio}${withParameters ? `, ${group.parameters.length} tensors` : ''})`), ...(withParameters ? ['frozen tensors'] : [])]
  const rows = plan.frozen.map((frozen, epoch) => [
    String(epoch),
    ...groups.map(({ ratio }) => `${rate(plan.lrAt(epoch, 0) * ratio)} → ${rate(plan.lrAt(epoch, numIterations - 1) * ratio)}`),
    ...(withParameters ? [frozenCell(frozen, epoch === 0 ? [] : (plan.frozen[epoch - 1] as string[]))] : []),
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] as string).length)))
  for (const row of [head, ...rows]) out.push(row.map((cell, column) => (column === 0 ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number))).join('  ').trimEnd())
  return `${out.join('\n')}\n`
}

/** What is on of clipping, accumulation and averaging, in words; nothing where none is. */
export function optionLines(plan: Schedule): string[] {
  const { clipGradNorm, clipGradValue, accumulateBatches, minibatch, ema } = plan
  const lines: string[] = []
  if (accumulateBatches > 1) lines.push(`an iteration accumulates ${accumulateBatches} batches of ${minibatch} pairs`)
  const limits = [...(clipGradValue > 0 ? [`elements to ±${clipGradValue}`] : []), ...(clipGradNorm > 0 ? [`the total norm to ${clipGradNorm}`] : [])]
  if (limits.length > 0) lines.push(`gradients are clipped: ${limits.join(', then ')}`)
  if (ema !== null) {
    const warmup = ema.warmup > 1 ? ` (from ${shortDecay(plan.emaDecayAt(0, 0))} in a warm-up of ${ema.warmup})` : ''
    lines.push(`weights are averaged with a decay of ${ema.decay}${warmup}; final_model.pkl has ${ema.finalModel ? 'the average' : 'the weights of the last step'}`)
  }
  return lines
}

function shortDecay(decay: number): string {
  return String(Number(decay.toPrecision(3)))
}

/** The number of frozen tensors, and what changed since the epoch before. */
function frozenCell(frozen: readonly string[], before: readonly string[]): string {
  const now = new Set(frozen)
  const then = new Set(before)
  const thawed = before.filter((name) => !now.has(name))
  const added = frozen.filter((name) => !then.has(name))
  const changes = [...(thawed.length > 0 ? [`thaws ${short(thawed)}`] : []), ...(added.length > 0 ? [`freezes ${short(added)}`] : [])]
  return `${frozen.length}${changes.length === 0 ? '' : `  (${changes.join('; ')})`}`
}

function short(names: readonly string[]): string {
  return names.length > 2 ? `${names.slice(0, 2).join(', ')}, … (${names.length})` : names.join(', ')
}

function rate(value: number): string {
  return value.toExponential(2)
}

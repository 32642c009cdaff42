/**
 * A worker of a test: a process of its own with one tracker, which is told sequences and answers with what it saw. It writes nothing.
 */
import { loadConfig } from '../../config/index.ts'
import { buildTracker } from '../../tracking/index.ts'
import type { Tracker } from '../../tracking/tracker.ts'
import { toPlain, type FromWorker, type ToWorker, type WorkerSetup } from './messages.ts'
import { runSequence, type SequenceTask } from './sequence-run.ts'

/** Often enough for a progress bar. */
const reportMilliseconds = 200

let tracker: Tracker | undefined

function say(message: FromWorker): void {
  process.send?.(message)
}

async function setUp(setup: WorkerSetup): Promise<void> {
  try {
    for (const module of setup.modules) await import(module)
    const config = await loadConfig(setup.config, [], { onWarning: () => {} })
    const { weights, ema, device, threads, precision } = setup
    tracker = await buildTracker(config, { weights, ema, device, threads, precision })
    say({ kind: 'ready' })
  } catch (error) {
    say({ kind: 'broken', error: toPlain(error) })
  }
}

async function run(task: SequenceTask): Promise<void> {
  let unsaid = 0
  let saidAt = performance.now()
  const onFrame = (): void => {
    unsaid += 1
    if (performance.now() - saidAt < reportMilliseconds) return
    say({ kind: 'frames', count: unsaid })
    unsaid = 0
    saidAt = performance.now()
  }
  try {
    const result = await runSequence(tracker as Tracker, task, onFrame)
    say({ kind: 'done', run: result })
  } catch (error) {
    say({ kind: 'failed', error: toPlain(error) })
  }
}

process.on('message', (message: ToWorker) => {
  if (message.kind === 'setup') void setUp(message.setup)
  else void run(message.task)
})
// A terminal's Ctrl-C reaches every process of the group: the one that started this decides what it means.
process.on('SIGINT', () => {})
// Whoever would take the results is gone, however it ended.
process.on('disconnect', () => process.exit(0))

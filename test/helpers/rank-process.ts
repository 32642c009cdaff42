/** One rank: runs its tasks in one process group and prints each result, or the error that ended them, as a JSON line. */
import { ProcessGroup } from '../../lib/distributed/group.ts'
import { SiamError } from '../../lib/errors.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { rankTasks } from './rank-tasks.ts'
import type { RankOrder } from './ranks.ts'

const { rank, worldSize, port, timeoutSeconds, device, tasks } = JSON.parse(process.argv[2] as string) as RankOrder
const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)

try {
  await loadAddon().setThreads(1)
  const group = await ProcessGroup.create({ rank, worldSize, masterAddr: '127.0.0.1', masterPort: port, timeoutSeconds, startTimeoutSeconds: 120, device })
  try {
    for (const [name, args] of tasks) print({ result: await rankTasks[name]!(group, args as never) })
  } catch (error) {
    await group.fail(error)
    throw error
  } finally {
    await group.close()
  }
} catch (error) {
  if (!(error instanceof SiamError)) throw error
  print({ error: { code: error.code, message: error.message, hint: error.hint } })
  process.exitCode = 1
}

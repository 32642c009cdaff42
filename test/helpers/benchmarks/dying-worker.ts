/** For a test's workers: one that is told a sequence whose name ends in 2 dies, as of the kernel's memory killer. */
import type { ToWorker } from '../../../lib/evaluation/tester/messages.ts'

process.on('message', (message: ToWorker) => {
  if (message.kind === 'run' && message.task.name.endsWith('2')) process.kill(process.pid, 'SIGKILL')
})

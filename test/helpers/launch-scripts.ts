/** A launcher of small programs instead of trainings: `node launch-scripts.ts PROCESSES GRACE TERM PROGRAM`; PROGRAM runs in each rank with `rank` and `endWithLauncher`. */
import { launch } from '../../lib/distributed/launch.ts'

const [processes, graceSeconds, termSeconds, program] = process.argv.slice(2)
const url = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href)
const code = `
  const { endWithLauncher, isLaunched, tellLauncher } = await import(${url('../../lib/distributed/launched.ts')})
  const { SiamError } = await import(${url('../../lib/errors.ts')})
  const { setTimeout: sleep } = await import('node:timers/promises')
  const rank = Number(process.env.RANK)
  ${program}`

process.exitCode = await launch({
  processes: Number(processes),
  command: [process.execPath, '--input-type=module', '--eval', code],
  port: 29_999,
  env: process.env,
  say: (line) => void process.stderr.write(`${line}\n`),
  graceSeconds: Number(graceSeconds),
  termSeconds: Number(termSeconds),
})

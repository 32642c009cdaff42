/** Several processes that are the ranks of one run, each of which runs the same tasks of test/helpers/rank-tasks.ts. */
import { spawn } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('rank-process.ts', import.meta.url))

export interface RankOrder {
  rank: number
  worldSize: number
  port: number
  timeoutSeconds: number
  device: string
  /** Names of tasks and what they are given, run one after the other in one process group. */
  tasks: [name: string, args: object][]
}

export interface RankEnd {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
  /** Of the tasks that ended well, in order. */
  results: Record<string, unknown>[]
  /** Of the one that did not. */
  error?: { code: string; message: string; hint?: string }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Runs the tasks on so many ranks, to their end. */
export async function runRanks(tasks: RankOrder['tasks'], { worldSize = 2, timeoutSeconds = 60, device = 'cpu' }: { worldSize?: number; timeoutSeconds?: number; device?: string } = {}): Promise<RankEnd[]> {
  const port = await freePort()
  return Promise.all(Array.from({ length: worldSize }, (_, rank) => runRank({ rank, worldSize, port, timeoutSeconds, device, tasks })))
}

export function runRank(order: RankOrder): Promise<RankEnd> {
  const child = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, OMP_NUM_THREADS: '1', NVIDIA_TF32_OVERRIDE: '0' } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => void (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => void (stderr += chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const lines = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { result?: Record<string, unknown>; error?: RankEnd['error'] })
      resolve({ code, signal, stderr, results: lines.flatMap(({ result }) => (result === undefined ? [] : [result])), error: lines.find(({ error }) => error !== undefined)?.error })
    })
  })
}

/** Runs a tool with its output going to a log file, and keeps its last lines for the message of a failure. */
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'

const TAIL_LINES = 12

/** @returns {string | undefined} the absolute path of an executable on PATH */
export function which(name, env = process.env) {
  if (name.includes('/')) return isExecutable(name) ? path.resolve(name) : undefined
  for (const folder of (env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(folder === '' ? '.' : folder, name)
    if (isExecutable(file)) return path.resolve(file)
  }
  return undefined
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Runs a short command to its end. @returns {{ok: boolean, stdout: string, stderr: string, reason: string}} */
export function probe(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000, ...options })
  const stderr = result.stderr ?? ''
  const reason = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `exit ${result.status}`)
  return { ok: result.status === 0, stdout: result.stdout ?? '', stderr, reason }
}

/**
 * Runs a long command. Signals that end us end it too, so that nothing goes on in the background.
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd: string, env: NodeJS.ProcessEnv, log: {append(text: string): void}, onLine?: (line: string) => void}} options
 * @returns {Promise<{ok: boolean, reason: string, tail: string[], text: string}>} text: the last 64 KiB of its output
 */
export function runTool(command, args, options) {
  return new Promise((resolve) => {
    options.log.append(`$ ${[command, ...args].join(' ')}\n`)
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    let partial = ''
    const take = (chunk) => {
      const piece = chunk.toString()
      options.log.append(piece)
      text = (text + piece).slice(-65_536)
      const lines = (partial + piece).split(/[\r\n]+/)
      partial = lines.pop() ?? ''
      for (const line of lines) if (line.trim() !== '') options.onLine?.(line.trim())
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const forward = (signal) => child.kill(signal)
    process.on('SIGINT', forward)
    process.on('SIGTERM', forward)
    const finish = (ok, reason) => {
      process.off('SIGINT', forward)
      process.off('SIGTERM', forward)
      const tail = text.split(/[\r\n]+/).map((line) => line.trimEnd()).filter((line) => line !== '').slice(-TAIL_LINES)
      resolve({ ok, reason, tail, text })
    }
    child.on('error', (error) => finish(false, error.message))
    child.on('close', (code, signal) => {
      if (signal === 'SIGINT' || signal === 'SIGTERM') process.exit(signal === 'SIGINT' ? 130 : 143)
      finish(code === 0, signal === null ? `exit ${code}` : `ended by ${signal}`)
    })
  })
}

/** What a tool's output says about the machine rather than about its own job; the first entry that matches comes first in a message. */
const KNOWN_CAUSES = [
  [/ENOSPC|No space left on device|Errno 28\b/i, 'the disk is full: free some space (df -h shows where)'],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|Temporary failure in name resolution|Name or service not known|NewConnectionError|Failed to establish a new connection|Network is unreachable|Connection refused|ConnectTimeout|ReadTimeout|ProxyError|Max retries exceeded/i,
    'the network or the registry could not be reached: check the connection and the proxy (HTTPS_PROXY, npm config, pip config)',
  ],
  [/CERTIFICATE_VERIFY_FAILED|self[- ]signed certificate|unable to get local issuer/i, 'a TLS certificate was not trusted: behind a proxy, set NODE_EXTRA_CA_CERTS and PIP_CERT to its certificate'],
  [/EACCES|EPERM|Permission denied|EROFS|Read-only file system/i, 'something could not be written: check who owns the folder named above'],
  [/Killed|out of memory|ENOMEM|Cannot allocate memory/i, 'the machine ran out of memory: close something, or build with fewer jobs (SIAMFCPP_JOBS=1)'],
]

/** @returns {string[]} remedies that the output of a tool suggests */
export function remediesFor(text) {
  return KNOWN_CAUSES.filter(([pattern]) => pattern.test(text)).map(([, remedy]) => remedy)
}

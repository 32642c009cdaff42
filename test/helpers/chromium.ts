/**
 * A Chromium for tests of pages: `SIAMFCPP_CHROMIUM`, else one on PATH, else (as root on a machine with apt-get, such as a fresh CI machine)
 * Debian's, installed once under a lock that test files in parallel processes share.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import path from 'node:path'
import { basePython, cacheDir, runProgram } from './python-env.ts'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export type FoundChromium = { path: string } | { why: string }

/** @returns the program, or why there is none */
export async function findChromium(): Promise<FoundChromium> {
  const asked = process.env.SIAMFCPP_CHROMIUM
  if (asked !== undefined && asked !== '') return existsSync(asked) ? { path: asked } : { why: `SIAMFCPP_CHROMIUM names ${asked}, which is not there` }
  const there = onPath()
  if (there !== undefined) return { path: there }
  if (process.getuid?.() !== 0) return { why: 'there is no Chromium on PATH (SIAMFCPP_CHROMIUM names one), and only root may install it' }
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return { why: 'there is no Chromium on PATH (SIAMFCPP_CHROMIUM names one), and no apt-get to install it with' }
  const outcome = await runProgram(basePython(), ['-c', installer, path.join(cacheDir(), 'chromium.lock')], { check: false })
  const installed = onPath()
  if (installed !== undefined) return { path: installed }
  return { why: `Chromium could not be installed: ${outcome.stderr.trim().split('\n').at(-1) ?? ''}` }
}

// The lists may be there already; fetching them costs more than trying. The kernel drops the lock when an installer is killed.
const installer = `
import fcntl, os, shutil, subprocess, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
if shutil.which("chromium") is None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]
    install = apt + ["install", "-y", "--no-install-recommends", "chromium"]
    options = dict(env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=400)
    if subprocess.run(install, stderr=subprocess.DEVNULL, **options).returncode != 0:
        subprocess.run(apt + ["update"], **options)
        sys.exit(subprocess.run(install, **options).returncode)
`

function onPath(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const name of names) {
      const file = path.join(folder, name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {
        // not here
      }
    }
  }
  return undefined
}

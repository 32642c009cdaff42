/** pip into a folder of ours. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { runTool } from './run-tool.mjs'

/**
 * Installs wheels into `files` below a staging folder.
 * @param {string} python  its file
 * @param {{requirements: string[], staging: string, log: object, progress: (line: string) => void, dependencies?: boolean}} options  dependencies: also what the wheels ask for
 * @returns {Promise<{ok: boolean, reason: string, tail: string[], text: string, files: string}>}
 */
export async function pipInstall(python, { requirements, staging, log, progress, dependencies = false }) {
  const files = path.join(staging, 'files')
  const temporary = path.join(staging, 'tmp')
  mkdirSync(temporary, { recursive: true })
  const args = ['-m', 'pip', 'install', ...(dependencies ? [] : ['--no-deps']), '--only-binary=:all:', '--no-cache-dir', '--no-compile', '--progress-bar', 'off', '--target', files, ...requirements]
  // TMPDIR beside the target: one disk to check and to fill, and pip's last step is a rename. A user's own --user or
  // "only in a virtual environment" setting does not fit --target.
  const env = { ...process.env, TMPDIR: temporary, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1' }
  return { ...(await runTool(python, args, { cwd: staging, env, log, onLine: progress })), files }
}

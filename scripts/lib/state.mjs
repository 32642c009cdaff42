/** What set-up remembers between runs: build/setup.json. Losing it costs time, never correctness. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const place = (root) => path.join(root, 'build', 'setup.json')

/** @returns {Record<string, unknown>} */
export function readState(root) {
  try {
    return JSON.parse(readFileSync(place(root), 'utf8'))
  } catch {
    return {}
  }
}

/** Merges entries into the remembered state; the file is replaced as a whole. */
export function writeState(root, entries) {
  const file = place(root)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(`${file}.tmp`, `${JSON.stringify({ ...readState(root), ...entries }, null, 2)}\n`)
  renameSync(`${file}.tmp`, file)
}

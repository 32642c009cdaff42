/** The TorchScript files of test/fixtures/torchscript.json, written to a folder, and models with them as their backbone. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Loss } from '../../lib/engine/losses.ts'
import { Model } from '../../lib/engine/model.ts'
import type { ModelSpec } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { tinySpec } from './tiny-model.ts'

const fixture = JSON.parse(readFileSync(new URL('../fixtures/torchscript.json', import.meta.url), 'utf8')) as {
  files: Record<string, number>
  names: Record<string, string[]>
  data: string
}

export const scriptNames = Object.keys(fixture.files)

/** What Python's state_dict() of the module lists. */
export function pythonNames(name: string): string[] {
  return fixture.names[name]!
}

/** The archive's bytes. */
export function scriptBytes(name: string): Buffer {
  const all = gunzipSync(Buffer.from(fixture.data, 'base64'))
  let start = 0
  for (const [key, size] of Object.entries(fixture.files)) {
    if (key === name) return all.subarray(start, start + size)
    start += size
  }
  throw new Error(`no TorchScript file ${name} in the fixture`)
}

/** Writes the archive into `folder`. @returns its path */
export function scriptFile(folder: string, name: string): string {
  const file = path.join(folder, `${name}.pt`)
  writeFileSync(file, scriptBytes(name))
  return file
}

/** tinySpec with the file as its backbone. All but tinyconv make 16 channels. */
export function scriptSpec(file: string, changes: Partial<ModelSpec> = {}, width = 16): ModelSpec {
  const spec = tinySpec(changes)
  return { ...spec, backbone: { name: 'TorchScript', path: file }, head: { ...spec.head, headWidth: width }, headWidth: width }
}

export async function scriptModel(file: string, changes: Partial<ModelSpec> = {}, width = 16): Promise<Model> {
  await loadAddon().setThreads(1)
  return Model.create(scriptSpec(file, changes, width), {
    cls: new Loss({ type: 'SigmoidCrossEntropyRetina', weight: 1, alpha: 0.25, gamma: 2, ignoreLabel: -1 }),
    ctr: new Loss({ type: 'SigmoidCrossEntropyCenterness', weight: 1 }),
    reg: new Loss({ type: 'IOULoss', weight: 3 }),
  })
}

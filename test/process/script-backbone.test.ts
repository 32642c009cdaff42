/** The export that docs/torchscript-backbone.md shows, run by real Python; the file trains, resumes and tracks through the command line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { modelStateOf, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { pythonTorch, runProgram } from '../helpers/python-env.ts'
import { scriptFile } from '../helpers/torchscript-files.ts'
import { makeExperiment, outputFolder, runSiamtrain, trainArgs, type Experiment } from '../helpers/train-process.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/torchscript-backbone.md', import.meta.url)), 'utf8')
const patience = 300_000
const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-script-'))
let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('script', { epochs: 2, iterations: 3 })
})
afterAll(() => {
  removeFolder(experiment.dir)
  rmSync(folder, { recursive: true, force: true })
})

function scriptOverrides(file: string, width: number): string[] {
  const at = 'train.track.model'
  return [`${at}.backbone.name=TorchScript`, `${at}.backbone.TorchScript.path=${file}`, `${at}.task_head.DenseboxHead.head_width=${width}`, `${at}.task_model.SiamTrack.head_width=${width}`]
}

const last = (lines: Record<string, unknown>[]): Record<string, unknown> => lines.at(-1) ?? {}

describe('a script of the fixture', () => {
  // dropout draws from torch's generator in every step; prints writes a line in every forward.
  it.each(['dropout', 'counter', 'tied_tensor', 'prints'])('%s: a run that is stopped and resumed ends bit-identical', async (name) => {
    const overrides = scriptOverrides(scriptFile(folder, name), 16)
    const whole = await runSiamtrain(trainArgs(experiment, `${name}-whole`, ...overrides))
    expect(whole.code, whole.stderr).toBe(0)
    expect(whole.stdout).not.toContain('hello')
    if (name === 'prints') expect(whole.stderr).toContain('hello from the script')
    const first = await runSiamtrain(trainArgs(experiment, name, ...overrides, '--max-iterations', '4'))
    expect(first.code, first.stderr).toBe(0)
    const second = await runSiamtrain(trainArgs(experiment, name, ...overrides, '--resume', 'latest'))
    expect(last(second.lines)).toMatchObject({ done: true, completed: true, state_sha256: last(whole.lines).state_sha256 })
    const losses = (lines: Record<string, unknown>[]): unknown[] => lines.filter((line) => 'iteration' in line).map((line) => line.losses)
    expect([...losses(first.lines), ...losses(second.lines)]).toEqual(losses(whole.lines))
  }, patience)

  it('that is none ends in one line', async () => {
    const file = path.join(folder, 'none.pt')
    writeFileSync(file, 'nothing')
    const run = await runSiamtrain(trainArgs(experiment, 'none', ...scriptOverrides(file, 16), '--quiet'))
    expect(run.code).toBe(1)
    expect(run.stderr.trim()).toMatch(/^siamtrain: ERR_CHECKPOINT .*none\.pt: TorchScript backbone: the file is no TorchScript archive/)
  })
})

describe('the export of the page', () => {
  let python = ''
  beforeAll(async () => {
    python = await pythonTorch()
  }, 900_000)

  it('trains and comes back to Python', async () => {
    const [, code] = /```python\n([\s\S]*?)```/.exec(page)!
    writeFileSync(path.join(folder, 'export.py'), code!) // torch.jit.script reads the source of what it compiles
    await runProgram(python, ['export.py'], { cwd: folder })
    const file = path.join(folder, 'backbone.pt')
    const run = await runSiamtrain(trainArgs(experiment, 'page', ...scriptOverrides(file, 64)))
    expect(run.code, run.stderr).toBe(0)
    expect(last(run.lines)).toMatchObject({ done: true, completed: true })
    const snapshot = path.join(outputFolder(experiment, 'page'), 'epoch-1.pkl')
    const trained = modelStateOf(await readCheckpoint(snapshot))
    // Python loads what was trained into the module that it exported, and both name the tensors alike.
    const { stdout } = await runProgram(python, [
      '-c',
      `
import json, sys, torch
module = torch.jit.load(sys.argv[1])
before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
state = torch.load(sys.argv[2], weights_only=True)["model_state_dict"]
own = {name[len("basemodel."):]: tensor for name, tensor in state.items() if name.startswith("basemodel.")}
module.load_state_dict(own, strict=True)
print(json.dumps({"names": list(before), "order": list(own), "changed": [name for name in own if not torch.equal(own[name], before[name])], "shape": list(module(torch.zeros(1, 3, 127, 127)).shape)}))`,
      file,
      snapshot,
    ])
    const answer = JSON.parse(stdout) as { names: string[]; order: string[]; changed: string[]; shape: number[] }
    expect(answer.order).toEqual(answer.names)
    expect(answer.changed).toEqual(answer.names.filter((name) => name !== 'mean'))
    expect(answer.shape).toEqual([1, 64, 15, 15])
    expect([...trained.keys()].filter((name) => name.startsWith('basemodel.')).map((name) => name.slice(10))).toEqual(answer.names)
  }, patience)
})

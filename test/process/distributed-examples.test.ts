/** The files of examples/distributed and the commands of docs/distributed.md: they parse, and name commands and options that exist. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { pythonTorch, runProgram } from '../helpers/python-env.ts'
import { runCli } from '../helpers/run-cli.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = (name: string): string => path.join(root, 'examples', 'distributed', name)
const text = (name: string): string => readFileSync(file(name), 'utf8')

/** Options of `siamtrain train`, as its help has them. */
let known: Set<string>
beforeAll(async () => {
  const { stdout } = await runCli(['train', '--help'])
  known = optionsIn(stdout)
})

const optionsIn = (words: string): Set<string> => new Set([...words.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option))

/** What follows `siamtrain train` in each command of a text; lines that end in a backslash go on. */
const calls = (words: string): string[] => [...words.replaceAll('\\\n', ' ').matchAll(/\bsiamtrain train\b([^\n`]*)/g)].map((match) => match[1]!.split(/\s#|…/)[0]!)

const unknownIn = (words: string): string[] => calls(words).flatMap((call) => [...optionsIn(call)].filter((option) => !known.has(option)))

describe('options of siamtrain train', () => {
  it('are found by this test', () => {
    expect(known).toContain('--dist-timeout')
    expect(unknownIn('run siamtrain train my.yaml \\\n  --nproc 2 --no-such-option')).toEqual(['--no-such-option'])
  })

  it.each(['examples/distributed/torchrun.sh', 'examples/distributed/train.sbatch', 'docs/distributed.md'])('in %s exist', (name) => {
    const words = readFileSync(path.join(root, name), 'utf8')
    expect(calls(words).length).toBeGreaterThan(0)
    expect(unknownIn(words)).toEqual([])
  })

  it('in the PyTorchJob exist', () => {
    const container = podsOf().Master.template.spec.containers[0]!
    expect(container.command.slice(0, 2)).toEqual(['siamtrain', 'train'])
    expect(unknownIn(container.command.join(' '))).toEqual([])
    expect(container.command.filter((word) => word.startsWith('--')).length).toBeGreaterThan(2)
  })
})

interface Pods {
  replicas: number
  restartPolicy: string
  template: { spec: { containers: { name: string; command: string[] }[] } }
}

function podsOf(): { Master: Pods; Worker: Pods } {
  return (parse(text('pytorchjob.yaml'), { merge: true }) as { spec: { pytorchReplicaSpecs: { Master: Pods; Worker: Pods } } }).spec.pytorchReplicaSpecs
}

describe('pytorchjob.yaml', () => {
  it('is a PyTorchJob whose pods run the container that the operator knows', () => {
    expect(parse(text('pytorchjob.yaml'))).toMatchObject({ apiVersion: 'kubeflow.org/v1', kind: 'PyTorchJob', metadata: { name: 'siamfcpp' } })
    const { Master, Worker } = podsOf()
    expect([Master.replicas, Worker.replicas]).toEqual([1, 3])
    for (const { restartPolicy, template } of [Master, Worker]) {
      expect(restartPolicy).toBe('OnFailure')
      expect(template.spec.containers.map(({ name }) => name)).toEqual(['pytorch'])
    }
    expect(Worker.template).toEqual(Master.template)
  })
})

describe('the shell files', () => {
  it.each(['torchrun.sh', 'train.sbatch'])('%s is a program of bash that says how it is called', async (name) => {
    await runProgram('bash', ['-n', file(name)])
    const { code, stderr } = await runProgram('bash', [file(name)], { check: false })
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining(`${name} CONFIG`)])
  })

  it('torchrun.sh calls torchrun with options that it has', async () => {
    const python = await pythonTorch()
    // Found without being imported: that takes many times as long as reading it.
    const { stdout } = await runProgram(python, ['-c', "import importlib.util; print(importlib.util.find_spec('torch').submodule_search_locations[0])"])
    const source = readFileSync(path.join(stdout.trim(), 'distributed', 'run.py'), 'utf8')
    const torchruns = new Set([...source.matchAll(/^ +"(--[a-z-]+)",$/gm)].map((match) => match[1]))
    expect(torchruns).toContain('--no-python')
    const call = text('torchrun.sh').replaceAll('\\\n', ' ').match(/^torchrun (.*?)siamtrain train/m)![1]!
    expect(optionsIn(call).size).toBeGreaterThan(5)
    expect([...optionsIn(call)].filter((option) => !torchruns.has(option))).toEqual([])
  })

  it('train.sbatch asks for GPUs by node, so that each task sees those of its node', () => {
    const asked = [...text('train.sbatch').matchAll(/^#SBATCH --([a-z-]+)/gm)].map((match) => match[1])
    expect(asked).toContain('gpus-per-node')
    expect(asked.filter((name) => /^gpus-per-task|gpu-bind$/.test(name!))).toEqual([])
  })
})

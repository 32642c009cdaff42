/** Set-up's second step where CUDA is wanted: the libraries that torch's own METADATA names come into the cache, or the step says why not. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SetupFixture } from '../helpers/setup-fixture.ts'

const { cudaRequirements, wantsCuda } = (await import(new URL('../../scripts/lib/cuda-libraries.mjs', import.meta.url).href)) as {
  cudaRequirements(metadata: string): string[]
  wantsCuda(env: Record<string, string>, exists: (file: string) => boolean): string | undefined
}

let fixture: SetupFixture
beforeEach(() => {
  fixture = new SetupFixture()
})
afterEach(() => fixture.dispose())

const libraries = 'cuda-toolkit[cublas,cudart]==13.0.2 nvidia-cudnn-cu13==9.19.0.56'
const calls = () => readFileSync(path.join(fixture.folder, 'pip-calls'), 'utf8').trim().split('\n')

/** pip that brings torch at its first call and CUDA's libraries at the one that asks for them. */
function copying({ wheel, brought }: { wheel: string; brought: string }, cuda = 'true'): string {
  return `mkdir -p "$TARGET"
if tail -n 1 "${fixture.folder}/pip-calls" | grep -q cuda-toolkit; then ${cuda} || exit 1; cp -r "${brought}/." "$TARGET"
else cp -r "${wheel}/." "$TARGET"; fi`
}

beforeEach(() => fixture.use('tail', 'grep'))

describe('CUDA in the cache', () => {
  it("is not fetched where nobody wants it, and completes a cache of the CPU's where somebody does, once", async () => {
    const folders = fixture.fakeCudaWheel('wheel')
    fixture.fakePython({}, copying(folders))
    const cpu = await fixture.run('libtorch')
    expect([cpu.code, cpu.output], cpu.output).toEqual([0, expect.not.stringContaining('CUDA')])
    expect(calls()).toHaveLength(1)

    fixture.env.SIAMFCPP_CUDA = '1'
    const both = await fixture.run('libtorch')
    expect(both.code, both.output).toBe(0)
    expect(both.output).toMatch(/found: .*\(cache\); CUDA: ready/)
    expect(calls()).toHaveLength(2)
    expect(calls()[1]).toContain(libraries)
    expect(calls()[1]).not.toContain('--no-deps')
    expect(calls()[1]).not.toMatch(/triton|nvidia-extra|description/)
    expect(existsSync(path.join(fixture.cached, 'nvidia/cudnn/lib/libcudnn.so.9'))).toBe(true)
    expect(readdirSync(fixture.cached)).not.toContain('bin')
    expect(readdirSync(path.join(fixture.cached, 'nvidia')).toSorted()).toEqual(['cu13', 'cudnn'])
    expect(JSON.parse(readFileSync(path.join(fixture.cached, 'siamfcpp-native.json'), 'utf8'))).toMatchObject({ cuda: libraries.split(' '), requirements: expect.arrayContaining(['torch==2.11.0']) })
    expect(fixture.leftovers()).toEqual([])

    const again = await fixture.run('libtorch')
    expect(again.output).toContain('CUDA: ready')
    expect(calls()).toHaveLength(2)
  })

  it('fails with the reason where it was asked for, and works when run again', async () => {
    const folders = fixture.fakeCudaWheel('wheel')
    fixture.fakePython({}, copying(folders, 'echo "Could not reach: Network is unreachable" >&2; false'))
    fixture.env.SIAMFCPP_CUDA = '1'
    const failed = await fixture.run('libtorch')
    expect(failed.code).toBe(1)
    expect(failed.output).toContain('python3 -m pip install cuda-toolkit')
    expect(failed.output).toContain('the network or the registry could not be reached')
    expect(fixture.leftovers()).toEqual([])
    fixture.fakePython({}, copying(folders))
    expect((await fixture.run('libtorch')).output).toContain('CUDA: ready')
  })

  it('only warns where a driver was merely found: the CPU needs none of it', async () => {
    const folders = fixture.fakeCudaWheel('wheel')
    fixture.fakePython({}, copying(folders, 'false'))
    fixture.fake('nvidia-smi', 'exit 0')
    fixture.env.SIAMFCPP_CUDA = ''
    const { code, output } = await fixture.run('libtorch')
    expect(code, output).toBe(0)
    expect(output).toMatch(/; no CUDA: .*pip install cuda-toolkit.*exit 1 \(the CPU works; SIAMFCPP_CUDA=1 npm run setup shows all of it\)/)
  })

  it('the disk is too small, and says so before the download', async () => {
    const folders = fixture.fakeCudaWheel('wheel')
    fixture.fakePython({}, copying(folders))
    await fixture.run('libtorch')
    fixture.env.SIAMFCPP_CUDA = '1'
    fixture.env.SIAMFCPP_NEEDED_BYTES = String(2 ** 60)
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toMatch(/CUDA's libraries must be downloaded.*GiB free; 1073741824\.0 GiB are needed/)
    expect(calls()).toHaveLength(1)
  })

  it("what came does not make libtorch_cuda.so load: the loader's word is shown", async () => {
    const folders = fixture.fakeCudaWheel('wheel')
    rmSync(path.join(folders.brought, 'nvidia/cudnn/lib/libcudnn.so.9'))
    fixture.fakePython({}, copying(folders))
    fixture.env.SIAMFCPP_CUDA = '1'
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toMatch(/libtorch_cuda\.so does not load: libcudnn\.so\.9/)
  })
})

describe('CUDA of a libtorch that is not ours', () => {
  it('is left alone, with what would help', async () => {
    const { wheel } = fixture.fakeCudaWheel('site-packages')
    fixture.fakePython({ torch: path.join(wheel, 'torch') })
    fixture.env.SIAMFCPP_CUDA = '1'
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('does not load: libcudnn.so.9')
    expect(output).toContain('pip install torch==2.11.0 into that Python')
    expect(fixture.pipCalls()).toBe(0)
  })

  it('is ready when it loads, wherever pip put its libraries', async () => {
    const { wheel, brought } = fixture.fakeCudaWheel('site-packages')
    fixture.fakePython({ torch: path.join(wheel, 'torch') })
    fixture.env.SIAMFCPP_CUDA = '1'
    fixture.env.LD_LIBRARY_PATH = path.join(brought, 'nvidia/cudnn/lib')
    expect((await fixture.run('libtorch')).output).toMatch(/\(python3 on PATH\); CUDA: ready/)
  })
})

describe('wantsCuda()', () => {
  const nothing = { PATH: '' }
  it.each([
    [{ ...nothing, SIAMFCPP_CUDA: '1' }, [], 'SIAMFCPP_CUDA=1'],
    [{ ...nothing, SIAMFCPP_CUDA: '0' }, ['/dev/nvidiactl'], undefined],
    [nothing, ['/dev/nvidiactl'], 'an NVIDIA driver is here (/dev/nvidiactl)'],
    [nothing, ['/proc/driver/nvidia/version', '/dev/nvidiactl'], 'an NVIDIA driver is here (/proc/driver/nvidia/version)'],
    [nothing, [], undefined],
  ])('%j with %j', (env, files: string[], expected) => {
    expect(wantsCuda(env, (file: string) => files.includes(file))).toBe(expected)
  })
})

it("torch's METADATA: what NVIDIA makes, without extras and markers", () => {
  const text = 'Name: torch\nRequires-Dist: sympy>=1.13.3\nRequires-Dist: nvidia-nccl-cu13 == 2.28.9 ; platform_system == "Linux"\nRequires-Dist: cuda-bindings<14,>=13.0.3\nRequires-Dist: nvidia-x==1; extra == "all"\n\nRequires-Dist: nvidia-y==1\n'
  expect(cudaRequirements(text)).toEqual(['nvidia-nccl-cu13==2.28.9'])
})

/** Which process of a run this one is, by the variables of torchrun, PyTorchJob and SLURM. */
import { describe, expect, it } from 'vitest'
import { interfaceAddress } from '../../lib/distributed/interface.ts'
import { readEnvironment, slurmWithoutSrun, type Environment } from '../../lib/distributed/environment.ts'

const torchrun: Environment = { RANK: '5', WORLD_SIZE: '8', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4', MASTER_ADDR: 'node-0.cluster', MASTER_PORT: '29500', TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RESTART_COUNT: '2' }
const pyTorchJob: Environment = { RANK: '1', WORLD_SIZE: '4', MASTER_ADDR: 'tracker-master-0', MASTER_PORT: '23456', PYTHONUNBUFFERED: '1' }
const slurm: Environment = {
  SLURM_PROCID: '5', SLURM_NTASKS: '8', SLURM_LOCALID: '1', SLURM_NODEID: '1', SLURM_JOB_ID: '4711', SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '8',
  SLURM_NODELIST: 'gpu[003-004]', SLURM_JOB_NODELIST: 'gpu[003-004]', SLURM_STEP_NODELIST: 'gpu[003-004]', SLURM_TASKS_PER_NODE: '4(x2)', ENVIRONMENT: 'BATCH',
}
const without = (env: Environment, ...names: string[]): Environment => Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)))

describe('readEnvironment', () => {
  it('finds one process where nothing says otherwise', () => {
    expect(readEnvironment({})).toBeNull()
    expect(readEnvironment({ PATH: '/bin', MASTER_ADDR: 'left-over', MASTER_PORT: 'left over', SLURM_JOB_ID: '7' })).toBeNull()
    expect(readEnvironment({ RANK: '', WORLD_SIZE: ' ', LOCAL_RANK: '' })).toBeNull()
  })

  it("reads torchrun's variables; its agent keeps the store, and each restart has keys of its own", () => {
    expect(readEnvironment(torchrun)).toEqual({ source: 'variables', rank: 5, worldSize: 8, localRank: 1, localWorldSize: 4, masterAddr: 'node-0.cluster', masterPort: 29500, keepsStore: false, storePrefix: 'siamfcpp/attempt_2' })
    expect(readEnvironment({ ...torchrun, RANK: '0', LOCAL_RANK: '0', TORCHELASTIC_USE_AGENT_STORE: 'False' })).toMatchObject({ keepsStore: true, storePrefix: 'siamfcpp' })
  })

  it("reads a PyTorchJob's, which has no LOCAL_RANK: each pod's only process takes its GPU 0", () => {
    expect(readEnvironment(pyTorchJob)).toEqual({ source: 'variables', rank: 1, worldSize: 4, localRank: 0, masterAddr: 'tracker-master-0', masterPort: 23456, keepsStore: false, storePrefix: 'siamfcpp' })
    expect(readEnvironment({ ...pyTorchJob, RANK: '0', MASTER_ADDR: 'localhost' })).toMatchObject({ rank: 0, keepsStore: true, masterAddr: 'localhost' })
  })

  it("reads SLURM's: rank 0 is on the step's first host, the port comes from the job", () => {
    expect(readEnvironment(slurm)).toEqual({ source: 'slurm', rank: 5, worldSize: 8, localRank: 1, localWorldSize: 4, masterAddr: 'gpu003', masterPort: 19711, keepsStore: false, storePrefix: 'siamfcpp' })
    expect(readEnvironment({ ...slurm, SLURM_CPUS_PER_TASK: '6' })?.cpus).toBe(6)
    // A step on some of the job's hosts.
    expect(readEnvironment({ ...slurm, SLURM_STEP_NODELIST: 'gpu004', SLURM_STEP_ID: '3' })).toMatchObject({ masterAddr: 'gpu004', masterPort: 19714 })
    expect(readEnvironment({ ...slurm, MASTER_ADDR: '10.0.0.7', MASTER_PORT: '1234' })).toMatchObject({ source: 'slurm', masterAddr: '10.0.0.7', masterPort: 1234 })
  })

  it('is content with the SLURM variables that every version sets', () => {
    const few = { SLURM_PROCID: '0', SLURM_NTASKS: '2', SLURM_LOCALID: '0', SLURM_JOB_ID: '99999999' }
    expect(readEnvironment({ ...few, SLURM_NODELIST: 'a[1-2]' })).toMatchObject({ masterAddr: 'a1', masterPort: 15000 + (99999999 % 15000), keepsStore: true })
    expect(readEnvironment({ ...few, SLURM_JOB_NODELIST: 'b[1-2]', SLURM_NODELIST: 'a[1-2]' })).toMatchObject({ masterAddr: 'b1' })
  })

  it('knows how many tasks each host of a step has', () => {
    const tasks = (SLURM_TASKS_PER_NODE: string, SLURM_NODEID: string): number | undefined => readEnvironment({ ...slurm, SLURM_TASKS_PER_NODE, SLURM_NODEID, SLURM_LOCALID: '0' })?.localWorldSize
    expect([tasks('4(x2)', '0'), tasks('4(x2)', '1'), tasks('5,3', '1'), tasks('2(x3),1,1', '3'), tasks('4(x2)', '2'), tasks('nonsense', '0')]).toEqual([4, 4, 3, 1, undefined, undefined])
  })

  it('one task of srun, or WORLD_SIZE=1, needs no address', () => {
    expect(readEnvironment({ SLURM_PROCID: '0', SLURM_NTASKS: '1' })).toMatchObject({ rank: 0, worldSize: 1, localRank: 0, masterAddr: '127.0.0.1', masterPort: 0, keepsStore: true })
    expect(readEnvironment({ RANK: '0', WORLD_SIZE: '1' })).toMatchObject({ rank: 0, worldSize: 1, masterAddr: '127.0.0.1', masterPort: 0, keepsStore: true })
    expect(readEnvironment({ RANK: '0', WORLD_SIZE: '1', MASTER_ADDR: 'localhost', MASTER_PORT: '29500' })).toMatchObject({ masterAddr: 'localhost', masterPort: 29500 })
  })

  it("torchrun's variables count in a task of srun (one torchrun a node)", () => {
    expect(readEnvironment({ ...slurm, SLURM_PROCID: '1', SLURM_NTASKS: '2', SLURM_STEP_NUM_TASKS: '2', ...torchrun })).toMatchObject({ source: 'variables', rank: 5, worldSize: 8, localRank: 1, masterAddr: 'node-0.cluster' })
  })

  it('takes from SLURM what a batch script that exports some variables leaves out', () => {
    expect(readEnvironment({ ...slurm, WORLD_SIZE: '8', MASTER_ADDR: 'gpu004', MASTER_PORT: '29500' })).toMatchObject({ rank: 5, worldSize: 8, localRank: 1, masterAddr: 'gpu004', masterPort: 29500 })
    expect(readEnvironment({ ...slurm, RANK: '3', WORLD_SIZE: '8' })).toMatchObject({ rank: 3, localRank: 0, masterAddr: 'gpu003', masterPort: 19711 })
    expect(() => readEnvironment({ ...slurm, WORLD_SIZE: '4' })).toThrow('WORLD_SIZE is 4, but srun started 8 tasks (SLURM_NTASKS), and RANK is not set')
  })

  it('a batch script is no task of its job: only srun starts them', () => {
    const script = { ...without(slurm, 'SLURM_STEP_ID', 'SLURM_STEP_NUM_TASKS', 'SLURM_STEP_NODELIST'), SLURM_PROCID: '0', SLURM_LOCALID: '0' }
    expect(readEnvironment(script)).toBeNull()
    expect(slurmWithoutSrun(script)).toMatch(/the SLURM job has 8 tasks, but srun did not start this process/)
    expect(slurmWithoutSrun(without(script, 'SLURM_PROCID'))).toMatch(/8 tasks/)
    expect([slurmWithoutSrun(slurm), slurmWithoutSrun({}), slurmWithoutSrun({ ...script, SLURM_NTASKS: '1' })]).toEqual([undefined, undefined, undefined])
  })

  it.each([
    ['IPv4', '10.1.2.3'], ['IPv6', 'fe80::1'], ['a name', 'localhost'], ['a name with dots', 'a-b.c.example.org.'], ['an underscore', 'pod_1'],
  ])('takes %s for MASTER_ADDR', (_what, address) => {
    expect(readEnvironment({ ...pyTorchJob, MASTER_ADDR: address })?.masterAddr).toBe(address)
  })
})

const refused: [what: string, env: Environment, message: string | RegExp][] = [
  ['WORLD_SIZE is missing', without(torchrun, 'WORLD_SIZE'), 'Expected the number of processes in the environment variable WORLD_SIZE, which is not set although RANK and LOCAL_RANK are'],
  ['RANK is missing', without(torchrun, 'RANK'), "Expected this process's number, from 0 to 7, in the environment variable RANK, which is not set although WORLD_SIZE and LOCAL_RANK are"],
  ['LOCAL_RANK is alone', { LOCAL_RANK: '0' }, 'WORLD_SIZE, which is not set although LOCAL_RANK is'],
  ['RANK is empty', { ...torchrun, RANK: '' }, 'environment variable RANK, which is not set'],
  ['MASTER_ADDR is missing', without(torchrun, 'MASTER_ADDR'), "Expected rank 0's host name or address in the environment variable MASTER_ADDR, which is not set although WORLD_SIZE is 8"],
  ['MASTER_PORT is missing', without(torchrun, 'MASTER_PORT'), 'environment variable MASTER_PORT, which is not set although WORLD_SIZE is 8'],
  ['RANK is a word', { ...torchrun, RANK: 'one' }, 'Expected an integer ≥ 0 for the environment variable RANK but received "one"'],
  ['RANK is negative', { ...torchrun, RANK: '-1' }, 'for the environment variable RANK but received "-1"'],
  ['RANK is a fraction', { ...torchrun, RANK: '1.5' }, 'for the environment variable RANK but received "1.5"'],
  ['RANK is hexadecimal', { ...torchrun, RANK: '0x1' }, 'for the environment variable RANK but received "0x1"'],
  ['RANK is too large', { ...torchrun, RANK: '8' }, 'Expected an integer from 0 to 7 (WORLD_SIZE is 8) for the environment variable RANK but received "8"'],
  ['WORLD_SIZE is 0', { ...torchrun, WORLD_SIZE: '0' }, 'Expected an integer ≥ 1 for the environment variable WORLD_SIZE but received "0"'],
  ['WORLD_SIZE is huge', { ...torchrun, WORLD_SIZE: '99999999999' }, 'for the environment variable WORLD_SIZE but received "99999999999"'],
  ['LOCAL_RANK is beyond its machine', { ...torchrun, LOCAL_RANK: '4' }, 'Expected an integer from 0 to 3 (LOCAL_WORLD_SIZE is 4) for the environment variable LOCAL_RANK but received "4"'],
  ['LOCAL_RANK is beyond the run', { ...pyTorchJob, LOCAL_RANK: '4' }, 'Expected an integer from 0 to 3 (WORLD_SIZE is 4) for the environment variable LOCAL_RANK but received "4"'],
  ['LOCAL_RANK is larger than RANK', { ...torchrun, RANK: '0' }, 'The environment variable LOCAL_RANK is 1, but RANK is 0'],
  ['LOCAL_WORLD_SIZE is larger than WORLD_SIZE', { ...torchrun, LOCAL_WORLD_SIZE: '9' }, 'Expected an integer from 1 to 8 (WORLD_SIZE is 8) for the environment variable LOCAL_WORLD_SIZE but received "9"'],
  ['MASTER_PORT is 0', { ...torchrun, MASTER_PORT: '0' }, 'Expected an integer from 1 to 65535 for the environment variable MASTER_PORT but received "0"'],
  ['MASTER_PORT is too large', { ...torchrun, MASTER_PORT: '65536' }, 'for the environment variable MASTER_PORT but received "65536"'],
  ['MASTER_ADDR has the port', { ...torchrun, MASTER_ADDR: 'node:29500' }, 'Expected a host name or an address (the port goes to MASTER_PORT) for the environment variable MASTER_ADDR but received "node:29500"'],
  ['MASTER_ADDR is a URL', { ...torchrun, MASTER_ADDR: 'tcp://node' }, 'for the environment variable MASTER_ADDR but received "tcp://node"'],
  ['MASTER_ADDR is two', { ...torchrun, MASTER_ADDR: 'a b' }, 'for the environment variable MASTER_ADDR but received "a b"'],
  ['the restart count is nonsense', { ...torchrun, TORCHELASTIC_RESTART_COUNT: 'x' }, 'for the environment variable TORCHELASTIC_RESTART_COUNT but received "x"'],
  ['SLURM_NTASKS is missing', without(slurm, 'SLURM_NTASKS', 'SLURM_STEP_NUM_TASKS'), 'environment variable SLURM_NTASKS, which is not set although SLURM_PROCID is'],
  ['SLURM_NTASKS is nonsense', { ...without(slurm, 'SLURM_STEP_NUM_TASKS'), SLURM_NTASKS: 'many' }, 'for the environment variable SLURM_NTASKS but received "many"'],
  ['SLURM_PROCID is too large', { ...slurm, SLURM_PROCID: '8' }, 'Expected an integer from 0 to 7 (srun started 8 tasks) for the environment variable SLURM_PROCID but received "8"'],
  ['SLURM_LOCALID is missing', without(slurm, 'SLURM_LOCALID'), 'environment variable SLURM_LOCALID, which is not set'],
  ['SLURM_LOCALID is larger than SLURM_PROCID', { ...slurm, SLURM_PROCID: '0' }, 'Expected an integer from 0 to 0 (SLURM_PROCID is 0) for the environment variable SLURM_LOCALID but received "1"'],
  ['the list of hosts is missing', without(slurm, 'SLURM_NODELIST', 'SLURM_JOB_NODELIST', 'SLURM_STEP_NODELIST'), 'environment variable SLURM_JOB_NODELIST, which is not set although srun started 8 tasks'],
  ['the list of hosts is malformed', { ...slurm, SLURM_STEP_NODELIST: 'gpu[3-' }, 'for SLURM_STEP_NODELIST but received "gpu[3-"'],
  ['the job has no number', without(slurm, 'SLURM_JOB_ID'), 'environment variable SLURM_JOB_ID, which is not set although srun started 8 tasks'],
  ["the job's number is nonsense", { ...slurm, SLURM_JOB_ID: 'job7' }, 'for the environment variable SLURM_JOB_ID but received "job7"'],
]

describe('what cannot be', () => {
  it.each(refused)('%s', (_what, env, message) => {
    expect(() => readEnvironment(env)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message as string) }))
  })
})

describe('GLOO_SOCKET_IFNAME', () => {
  const one = (address: string, family: 'IPv4' | 'IPv6'): never => ({ address, family }) as never
  const interfaces = { lo: [one('127.0.0.1', 'IPv4')], eth0: [one('fe80::1', 'IPv6'), one('10.0.0.7', 'IPv4')], ib0: [one('fe80::2', 'IPv6')], down: [] }

  it('names the interface whose address the others reach this rank by', () => {
    expect(interfaceAddress({}, interfaces)).toBeUndefined()
    expect(interfaceAddress({ GLOO_SOCKET_IFNAME: '' }, interfaces)).toBeUndefined()
    expect(['lo', 'eth0', 'ib0'].map((name) => interfaceAddress({ GLOO_SOCKET_IFNAME: name }, interfaces))).toEqual(['127.0.0.1', '10.0.0.7', 'fe80::2'])
  })

  it.each(['eth1', 'down', 'eth0,ib0'])('%s is none', (name) => {
    expect(() => interfaceAddress({ GLOO_SOCKET_IFNAME: name }, interfaces)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: `Expected a network interface that has an address for the environment variable GLOO_SOCKET_IFNAME but received "${name}"`, hint: 'this machine has lo, eth0, ib0, down' }),
    )
  })
})

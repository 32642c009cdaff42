/** The sum of a configuration that snapshots carry: the same from release to release, and deaf to what changes no number of a run. */
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { configSha256 } from '../../lib/engine/builders.ts'

const sumOf = async (...overrides: string[]): Promise<string> => configSha256(await loadConfig('configs/siamfcpp_alexnet-got10k.yaml', overrides.map((override) => `train.track.data.${override}`)))

describe('configSha256', () => {
  // Every snapshot holds the sum of its configuration, and a run that goes on from one with another sum is told that its configuration is
  // another. A sum that changes without the file having changed says that of every snapshot there is. So a new key must be left out of
  // it at the value that does what was done before (builders.ts), and this number may only change together with the file.
  it('of a configuration of ours is what it was in earlier versions', async () => {
    expect(await sumOf()).toBe('7901c708a923eb179bda9602f7adb6573f962a5692ae50ba17e56e9064abd3e5')
  })

  it.each(['decode=exact', 'read_ahead=0', 'cache=8G', 'pack=/packs', 'pin_memory=false', 'queue_batches=9', 'num_workers=1', 'index_cache=none'])('is the same with %s', async (override) => {
    expect(await sumOf(override)).toBe(await sumOf())
  })

  it.each(['decode=fast', 'minibatch=16'])('is another with %s', async (override) => {
    expect(await sumOf(override)).not.toBe(await sumOf())
  })
})

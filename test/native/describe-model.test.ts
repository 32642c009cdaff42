/** The parameters that `siamtrain schedule` groups and freezes are the original's, in its order. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { describeModelParameters } from '../../lib/engine/describe-model.ts'
import { shared } from '../helpers/shared.ts'

const stateDicts = JSON.parse(readFileSync(shared('golden', 'state_dicts.json'), 'utf8')) as Record<string, { yaml: string; parameters_in_order: string[] }>

describe('describeModelParameters', () => {
  it.each(['alexnet', 'tinyconv'])('%s', async (architecture) => {
    const { yaml, parameters_in_order } = stateDicts[architecture] as { yaml: string; parameters_in_order: string[] }
    const config = await loadConfig(shared('reference-configs', 'train', ...yaml.split('/')))
    expect(await describeModelParameters(config)).toEqual(parameters_in_order)
  })

  it('refuses a network that cannot be built', async () => {
    const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), ['train.track.model.task_head.DenseboxHead.head_width=32'])
    await expect(describeModelParameters(config)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(CONFIG|SHAPE)$/) })
  })
})

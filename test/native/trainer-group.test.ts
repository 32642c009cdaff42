/** What buildTrainer() takes for a group of processes. */
import { expect, it } from 'vitest'
import { buildTrainer, loadConfig, type ProcessGroup } from '../../lib/index.ts'

it.each([[{}], [null], [2]])('refuses %j, which is no ProcessGroup', async (group) => {
  const config = await loadConfig('configs/quickstart.yaml')
  await expect(buildTrainer(config, { group: group as unknown as ProcessGroup })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('Expected a ProcessGroup (ProcessGroup.create() makes one) for group') })
})

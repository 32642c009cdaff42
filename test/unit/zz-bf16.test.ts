import { it } from 'vitest'
import { follow, goldenTrajectory } from '/work/wt-gpu/test/helpers/golden-trajectory.ts'
it('bf16', async () => {
  const run = goldenTrajectory().runs['lr_x0.02_1_iter_per_epoch']!
  const t = Date.now()
  const out = await follow(run, { overrides: ['train.track.model.precision=bf16'] })
  out.rows.forEach((row, i) => console.log(i, ['cls','ctr','reg','iou'].map(k => ((row as any)[k]/(run.rows[i] as any)[k]-1).toFixed(4)).join(' ')))
  console.log(Date.now()-t)
}, 900000)

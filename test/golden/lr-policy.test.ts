/** Learning rates against those that the original computed (golden/lr_policy.json), to 1e-15 relative. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { LrPhase } from '../../lib/config/index.ts'
import { buildLrPolicy } from '../../lib/engine/lr-policy.ts'
import { shared } from '../helpers/shared.ts'

interface Case {
  lr_policy: LrPhase[]
  num_iterations: number
  total_epochs: number
  grid: [epoch: number, iteration: number, lr: number][]
}

const golden = JSON.parse(readFileSync(shared('golden', 'lr_policy.json'), 'utf8')) as { distinct: Case[]; extra: Case[] }

describe('lr_policy.json', () => {
  for (const [i, c] of [...golden.distinct, ...golden.extra].entries()) {
    it(`case ${i}: ${c.lr_policy.map((phase) => phase.name).join(' + ')}, ${c.num_iterations} iterations`, () => {
      const policy = buildLrPolicy(c.lr_policy, c.num_iterations)
      expect(policy?.epochs).toBe(c.total_epochs)
      expect(c.grid.length).toBeGreaterThan(20)
      let worst = 0
      for (const [epoch, iteration, lr] of c.grid) {
        worst = Math.max(worst, Math.abs((policy?.getLr(epoch, iteration) as number) - lr) / lr)
      }
      // The same sequence of double operations; cos, exp and log are rounded as glibc rounds them (lib/engine/precise-math.ts).
      expect(worst).toBeLessThanOrEqual(1e-15)
    })
  }
})

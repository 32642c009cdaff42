import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ruleWeights } from '../helpers/rule-weights.ts'
import { shared } from '../helpers/shared.ts'

const checks = JSON.parse(readFileSync(shared('golden', 'rule_check.json'), 'utf8')) as Record<string, { sha256_of_concatenated_little_endian_tensors: string }>

it.each(['alexnet', 'tinyconv'])('the weight rule of %s gives the bytes that the original was run with', (architecture) => {
  const hash = createHash('sha256')
  for (const { data } of ruleWeights(architecture)) hash.update(data)
  expect(hash.digest('hex')).toBe(checks[architecture]?.sha256_of_concatenated_little_endian_tensors)
})

/** What the original makes of its 17 training files (golden/yaml_facts.json), and which parameters and schedules belong to them. */
import type { FreezeStep, LrGroup, LrPhase } from '../../lib/config/index.ts'
import { goldenJson } from './golden.ts'

export interface YamlFacts {
  yaml: string
  amp_optimizer: boolean
  amp_model: boolean
  lr_multiplier: LrGroup[]
  schedule: FreezeStep[]
  groups: { n: number; first: string[]; last: string[]; momentum: number; weight_decay: number; lr0: number }[]
  lr_at_e0_i1: number[]
  frozen_param_names_from_epoch: Record<string, string[]>
  max_epoch: number
  trainer: string
  num_processes: number
  num_workers: number
  minibatch: number
  nr_image_per_epoch: number
  negative_pair_ratio: number
  datasets: [string, number][]
  losses: [string, Record<string, unknown>][]
  x_size_train: number
  score_size_target: number
  max_scale: number
  max_shift: number
}

export const yamlFacts = goldenJson<YamlFacts[]>('yaml_facts.json')

const stateDicts = goldenJson<Record<string, { parameters_in_order: string[] }>>('state_dicts.json')
const policies = goldenJson<{ distinct: { lr_policy: LrPhase[]; num_iterations: number; yamls: string[] }[] }>('lr_policy.json').distinct

/** Parameters of a file's network, in the original's order. */
export function parametersOf(yaml: string): string[] {
  const architecture = Object.keys(stateDicts).find((name) => yaml.includes(`_${name}-`))
  if (architecture === undefined) throw new Error(`no architecture for ${yaml}`)
  return (stateDicts[architecture] as { parameters_in_order: string[] }).parameters_in_order
}

/** Learning-rate policy of a file, and its iterations an epoch. */
export function policyOf(yaml: string): { lr_policy: LrPhase[]; num_iterations: number } {
  const policy = policies.find(({ yamls }) => yamls.includes(yaml))
  if (policy === undefined) throw new Error(`no learning-rate policy for ${yaml}`)
  return policy
}

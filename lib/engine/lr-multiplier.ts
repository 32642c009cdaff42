/**
 * Parameter groups with a learning-rate ratio each, chosen by regular expressions on parameter names.
 */
import type { LrGroup } from '../config/schema.ts'
import { compilePythonRegex } from '../config/python-regex.ts'
import { SiamError } from '../errors.ts'

export interface ParameterGroup {
  name: string
  /** The group's learning rate is the base rate times this. */
  ratio: number
  /** Parameter names in the model's order. */
  parameters: string[]
}

/**
 * Divides parameters into the groups of `lr_multiplier`, in its order, as the original does: a group takes every name in which its
 * expression is found anywhere; a name that no expression finds is in no group and never trained.
 *
 * @param groups     decoded entries of `lr_multiplier`; empty: one group `all` with ratio 1
 * @param parameters names of the model's parameters, in its order
 * @throws ERR_CONFIG when a parameter would be in two groups (torch's SGD refuses that too), or an expression is not valid
 */
export function divideIntoGroups(groups: readonly Readonly<LrGroup>[], parameters: readonly string[]): ParameterGroup[] {
  if (groups.length === 0) return [{ name: 'all', ratio: 1, parameters: [...parameters] }]
  const owner = new Map<string, string>()
  return groups.map(({ name, regex, ratio }) => {
    const expression = compilePythonRegex(regex)
    const matched = parameters.filter((parameter) => expression.test(parameter))
    for (const parameter of matched) {
      const other = owner.get(parameter)
      if (other !== undefined) {
        throw new SiamError('ERR_CONFIG', `The parameter ${parameter} is in two groups of lr_multiplier, ${JSON.stringify(other)} and ${JSON.stringify(name)}; expected at most one`)
      }
      owner.set(parameter, name)
    }
    return { name, ratio, parameters: matched }
  })
}

/** @returns names that are in no group: the optimizer does not touch them, which is rarely meant */
export function ungroupedParameters(groups: readonly ParameterGroup[], parameters: readonly string[]): string[] {
  const grouped = new Set(groups.flatMap((group) => group.parameters))
  return parameters.filter((parameter) => !grouped.has(parameter))
}

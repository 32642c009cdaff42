/**
 * Lists of hosts as SLURM writes them: `gpu[003-007,012],cpu1`, `rack[1-2]n[0-3]-ib`.
 * Source: https://slurm.schedmd.com/scontrol.html (show hostnames). Pure; imports only errors.
 */
import { SiamError } from '../errors.ts'

/** More hosts than any cluster has; a range such as [0-999999999] must not fill the memory. */
const mostHosts = 100_000

/** Host names as SLURM and DNS have them, without brackets. */
const nameCharacters = /^[A-Za-z0-9._-]*$/

/**
 * @param list     hosts and groups of hosts, divided by commas
 * @param variable where it comes from, for messages
 * @returns every host, in the list's order
 * @throws ERR_CONFIG when brackets, ranges or names are malformed
 */
export function slurmHosts(list: string, variable = 'SLURM_JOB_NODELIST'): string[] {
  return entries(list, variable).flatMap((entry) => expand(entry, list, variable))
}

/** The first host of the list, on which task 0 of a step runs. @throws as slurmHosts() */
export function firstSlurmHost(list: string, variable = 'SLURM_JOB_NODELIST'): string {
  return slurmHosts(list, variable)[0] as string
}

function wrong(list: string, variable: string, why: string): SiamError {
  const shown = list.length > 80 ? `${list.slice(0, 77)}…` : list
  return new SiamError('ERR_CONFIG', `Expected a list of hosts such as gpu[003-007,012],cpu1 for ${variable} but received ${JSON.stringify(shown)}: ${why}`)
}

/** Splits at the commas that are outside of brackets. */
function entries(list: string, variable: string): string[] {
  const found: string[] = ['']
  let inside = false
  for (const character of list.trim()) {
    if (character === '[') {
      if (inside) throw wrong(list, variable, 'there is a [ inside of brackets')
      inside = true
    } else if (character === ']') {
      if (!inside) throw wrong(list, variable, 'there is a ] without its [')
      inside = false
    }
    if (character === ',' && !inside) found.push('')
    else found[found.length - 1] += character
  }
  if (inside) throw wrong(list, variable, 'there is a [ without its ]')
  if (found.includes('')) throw wrong(list, variable, found.length === 1 ? 'it is empty' : 'a host between two commas is missing')
  return found
}

/** One entry: text and bracketed groups in turn; every group multiplies the hosts. */
function expand(entry: string, list: string, variable: string): string[] {
  let hosts = ['']
  // With a capturing group split() gives text, group, text, group, …, text.
  for (const [i, part] of entry.split(/\[([^\]]*)\]/).entries()) {
    const choices = i % 2 === 0 ? [part] : numbers(part, list, variable)
    if (i % 2 === 0 && !nameCharacters.test(part)) throw wrong(list, variable, `${JSON.stringify(part)} is no part of a host's name`)
    if (hosts.length * choices.length > mostHosts) throw wrong(list, variable, `it has more than ${mostHosts} hosts`)
    hosts = hosts.flatMap((host) => choices.map((choice) => host + choice))
  }
  return hosts
}

/** `003-007,012` → 003 004 005 006 007 012: as many digits as the range's start has. */
function numbers(group: string, list: string, variable: string): string[] {
  return group.split(',').flatMap((item) => {
    const match = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(item)
    if (match === null) throw wrong(list, variable, `${JSON.stringify(item)} is neither a number nor a range`)
    const [, start = '', end = start] = match
    const [from, to] = [Number(start), Number(end)]
    if (to < from) throw wrong(list, variable, `the range ${item} ends before it starts`)
    if (to - from >= mostHosts) throw wrong(list, variable, `it has more than ${mostHosts} hosts`)
    return Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padStart(start.length, '0'))
  })
}

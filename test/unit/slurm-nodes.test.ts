/** SLURM's compressed lists of hosts. */
import { describe, expect, it } from 'vitest'
import { firstSlurmHost, slurmHosts } from '../../lib/distributed/slurm-nodes.ts'

describe('slurmHosts', () => {
  it.each([
    ['one', 'gpu7', ['gpu7']],
    ['several', 'gpu7,login-2.cluster.org,x_1', ['gpu7', 'login-2.cluster.org', 'x_1']],
    ['a range with leading zeros', 'gpu[003-007]', ['gpu003', 'gpu004', 'gpu005', 'gpu006', 'gpu007']],
    ['ranges, numbers and names', 'gpu[003-004,012],cpu1', ['gpu003', 'gpu004', 'gpu012', 'cpu1']],
    ['a range without leading zeros over a power of ten', 'n[9-11]', ['n9', 'n10', 'n11']],
    ['a range with leading zeros over a power of ten', 'n[09-11]', ['n09', 'n10', 'n11']],
    ['numbers of different widths', 'n[1,02,003]', ['n1', 'n02', 'n003']],
    ['a range of one', 'n[5-5]', ['n5']],
    ['text after the brackets', 'n[1-2]-ib.local', ['n1-ib.local', 'n2-ib.local']],
    ['brackets alone', '[7-8]', ['7', '8']],
    ['two groups, the last one fastest', 'rack[1-2]n[0-1]', ['rack1n0', 'rack1n1', 'rack2n0', 'rack2n1']],
    ['two groups beside each other', 'n[1-2][3-4]', ['n13', 'n14', 'n23', 'n24']],
    ['spaces around it', '  gpu[1-2]\n', ['gpu1', 'gpu2']],
    ['a host twice', 'a,a', ['a', 'a']],
  ])('%s: %j', (_what, list, hosts) => {
    expect(slurmHosts(list)).toEqual(hosts)
    expect(firstSlurmHost(list)).toBe(hosts[0])
  })

  it.each([
    ['', 'it is empty'],
    ['  ', 'it is empty'],
    ['a,,b', 'a host between two commas is missing'],
    ['a,', 'a host between two commas is missing'],
    ['gpu[1-2', 'there is a [ without its ]'],
    ['gpu1-2]', 'there is a ] without its ['],
    ['gpu[1-[2]]', 'there is a [ inside of brackets'],
    ['gpu[]', '"" is neither a number nor a range'],
    ['gpu[1,]', '"" is neither a number nor a range'],
    ['gpu[a-b]', '"a-b" is neither a number nor a range'],
    ['gpu[1-2-3]', '"1-2-3" is neither a number nor a range'],
    ['gpu[7-3]', 'the range 7-3 ends before it starts'],
    ['gpu[0-99999999999]', 'it has more than 100000 hosts'],
    ['r[0-999]n[0-999]', 'it has more than 100000 hosts'],
    ['gpu 1', '"gpu 1" is no part of a host\'s name'],
    ['http://gpu1', 'is no part of a host\'s name'],
  ])('refuses %j: %s', (list, why) => {
    expect(() => slurmHosts(list, 'SLURM_NODELIST')).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(/^Expected a list of hosts such as gpu\[003-007,012\],cpu1 for SLURM_NODELIST but received "/) }),
    )
    expect(() => slurmHosts(list)).toThrow(why)
  })
})

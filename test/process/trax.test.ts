/** `siamtrain trax` as a toolkit starts it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildTracker, trackSequence } from '../../lib/tracking/index.ts'
import { runCli } from '../helpers/run-cli.ts'
import { shared } from '../helpers/shared.ts'
import { startTrax, type Reply } from '../helpers/trax-client.ts'

const config = (): string => shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml')
const weights = (): string => shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
const frame = (k: number): string => shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`)
const args = (...more: string[]): string[] => ['--config', config(), '--weights', weights(), ...more]
const init = '312.6,146.9,106.1,96.4'

function boxOf(reply: Reply | undefined): number[] {
  expect(reply?.type).toBe('state')
  return (reply?.args[0] ?? '').split(',').map(Number)
}

describe('siamtrain trax', () => {
  it('tracks as the API does, from paths, bytes and pixels', async () => {
    const { client, ended } = await startTrax(args('--name', 'tiny'))
    const hello = await client.reply()
    expect(hello?.type).toBe('hello')
    expect(hello?.properties).toMatchObject({ 'trax.version': '3', 'trax.name': 'tiny', 'trax.family': 'SiamFC++', 'trax.identifier': expect.stringMatching(/^siamfcpp-native \d/) as string })
    const boxes = [boxOf(await client.initialize(`file://${frame(1)}`, init))]
    const second = await client.frame(`file://${frame(2)}`)
    expect(Number(second?.properties.confidence)).toBeGreaterThan(0)
    boxes.push(boxOf(second), boxOf(await client.frame(`data:image/jpeg;base64;${readFileSync(frame(3)).toString('base64')}`)))

    // A second target in the same session, from its polygon.
    const polygon = readFileSync(shared('data', 'vot-bag', 'groundtruth.txt'), 'utf8').split('\n')[0] as string
    expect(boxOf(await client.initialize(`file://${frame(1)}`, polygon))[0]).toBeCloseTo(312.642, 3)
    client.message('quit')
    expect(await ended).toMatchObject({ code: 0 })
    expect(client.other).toEqual([])

    using tracker = await buildTracker(await loadConfig(config()), { weights: weights() })
    const expected: (readonly number[])[] = []
    for await (const { box } of trackSequence(tracker, [frame(1), frame(2), frame(3)], [312.6, 146.9, 106.1, 96.4])) expected.push(box)
    // Written with four digits, in single precision on the way.
    for (const [k, box] of expected.entries()) for (const [i, value] of box.entries()) expect(Math.abs((boxes[k]?.[i] ?? Number.NaN) - value)).toBeLessThan(1e-3)
  })

  it('over a socket; a frame that is not there ends it with a reason and exit code 1', async () => {
    const { client, ended } = await startTrax(args('--protocol', '4'), 'socket')
    expect((await client.reply())?.properties['trax.version']).toBe('4')
    client.message('initialize', init)
    boxOf(await client.frame(`file://${frame(1)}`))
    const quit = await client.frame('file:///nowhere/2.jpg')
    expect(quit?.type).toBe('quit')
    expect(quit?.properties['trax.reason']).toMatch(/^ERR_\w+ .*\/nowhere\/2\.jpg/)
    expect(await client.reply()).toBeUndefined()
    const { code, stderr } = await ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/siamtrain: ERR_\w+ \/nowhere\/2\.jpg/)
  })

  it('a signal ends it with a quit, while it waits for the client', async () => {
    const { client, child, ended } = await startTrax(args())
    expect((await client.reply())?.type).toBe('hello')
    child.kill('SIGTERM')
    expect((await client.reply())?.properties['trax.reason']).toBe('ERR_ABORTED stopped by SIGTERM')
    expect((await ended).code).toBe(143)
  })

  it.each([
    ['two configurations', ['other.yaml'], 2, /ERR_ARGUMENT Expected one configuration/],
    ['a precision that is none', args('--precision', 'fp8'), 2, /Allowed choices are fp32, bf16, fp16, int8/],
    ['weights that are not there', ['--weights', '/nowhere/epoch-1.pkl'], 1, /ERR_IO.*nowhere/],
  ])('says no hello with %s', async (_, more, code, message) => {
    const { code: ended, stdout, stderr } = await runCli(['trax', ...args(), ...more])
    expect([ended, stdout]).toEqual([code, ''])
    expect(stderr).toMatch(message)
  })
})

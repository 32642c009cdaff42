/** What `precision` and the two `amp` keys mean on each device. */
import { describe, expect, it } from 'vitest'
import { needsGradScaler, precisionHere, precisionOn } from '../../lib/engine/precision.ts'

describe('the arithmetic of the network', () => {
  it.each([
    ['cpu', 'fp32', false, 'fp32'],
    ['cpu', 'fp32', true, 'bf16'],
    ['cpu', 'bf16', false, 'bf16'],
    ['cpu', 'bf16', true, 'bf16'],
    ['cuda', 'fp32', false, 'fp32'],
    ['cuda', 'fp32', true, 'fp16'],
    ['cuda:1', 'fp16', false, 'fp16'],
    ['cuda:1', 'fp16', true, 'fp16'],
    ['cuda', 'bf16', false, 'bf16'],
    ['cuda', 'bf16', true, 'bf16'],
  ] as const)('%s, precision %s, amp %s: %s', (device, precision, amp, expected) => {
    expect(precisionOn(device, { precision, amp })).toBe(expected)
  })

  it.each([true, false])('fp16 on the CPU is refused, with where it stands (amp %s)', (amp) => {
    expect(() => precisionOn('cpu', { precision: 'fp16', amp }, { file: 'a.yaml', line: 7 })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', file: 'a.yaml', line: 7, message: expect.stringContaining('fp16'), hint: expect.stringContaining('bf16') }),
    )
  })
})

describe('a network that stands for one on another device', () => {
  it.each([
    ['cuda', { precision: 'fp16', amp: false }, 'bf16'],
    ['cuda', { precision: 'fp32', amp: true }, 'bf16'],
    ['cuda', { precision: 'fp32', amp: false }, 'fp32'],
    ['cpu', { precision: 'bf16', amp: false }, 'bf16'],
    [undefined, { precision: 'fp32', amp: true }, 'bf16'],
  ] as const)('the CPU instead of %s, %j: %s', (insteadOf, keys, expected) => {
    expect(precisionHere('cpu', insteadOf, keys)).toBe(expected)
  })

  it('what the run would refuse is refused', () => {
    expect(() => precisionHere('cpu', 'cpu', { precision: 'fp16', amp: false })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})

describe('the gradient scaler', () => {
  it.each([
    ['cpu', 'bf16', true, true],
    ['cpu', 'fp32', true, true],
    ['cpu', 'bf16', false, false],
    ['cuda', 'fp16', true, true],
    ['cuda', 'fp16', false, true],
    ['cuda', 'bf16', true, false],
    ['cuda', 'fp32', true, false],
  ] as const)('%s, %s, optimizer amp %s: %s', (device, precision, amp, expected) => {
    expect(needsGradScaler(device, precision, amp)).toBe(expected)
  })
})

import { describe, expect, it } from 'vitest'
import { signalOf, stopNumber, stoppedByOthers } from '../../lib/distributed/stop.ts'
import { SiamError } from '../../lib/errors.ts'

const stopped = (reason?: unknown): AbortSignal => AbortSignal.abort(reason)

describe('a stop, told to other ranks', () => {
  it('is nothing where no signal fired', () => {
    expect([stopNumber(undefined), stopNumber(new AbortController().signal)]).toEqual([0, 0])
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('keeps that it was %s', (name) => {
    const number = stopNumber(stopped(new SiamError('ERR_ABORTED', `stopped by ${name}`)))
    const error = stoppedByOthers(number)
    expect([error.code, error.message, signalOf(error)]).toEqual(['ERR_ABORTED', `training was stopped: another rank received ${name}`, name])
  })

  it('has no signal of the system where somebody called abort()', () => {
    const error = stoppedByOthers(stopNumber(stopped()))
    expect([error.message, signalOf(error)]).toEqual(['training was stopped: another rank received an abort', undefined])
  })

  it('prefers SIGTERM where ranks had different ones', () => {
    const numbers = ['SIGINT', 'SIGTERM'].map((name) => stopNumber(stopped(new SiamError('ERR_ABORTED', `stopped by ${name}`))))
    expect(signalOf(stoppedByOthers(Math.max(...numbers)))).toBe('SIGTERM')
  })
})

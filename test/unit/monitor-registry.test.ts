import { describe, expect, it } from 'vitest'
import { nearestName, Registry } from '../../lib/registry.ts'

describe('Registry', () => {
  it('returns what was registered and lists names in order', () => {
    const registry = new Registry<number>('thing')
    expect(registry.register('Beta', 2)).toBe(2)
    registry.register('Alpha', 1)
    expect(registry.get('Beta')).toBe(2)
    expect(registry.has('Gamma')).toBe(false)
    expect(registry.names()).toEqual(['Alpha', 'Beta'])
  })

  it('refuses another value under a taken name, and takes the same value twice', () => {
    const registry = new Registry<number>('thing')
    registry.register('Alpha', 1)
    registry.register('Alpha', 1)
    expect(() => registry.register('Alpha', 2)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    expect(() => registry.register('', 2)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    expect(registry.get('Alpha')).toBe(1)
  })

  it('says what is known and which name is near', () => {
    const registry = new Registry<number>('monitor')
    expect(() => registry.get('TextInfo')).toThrow(/Unknown monitor "TextInfo"; known are none/)
    registry.register('TextInfo', 1)
    expect(() => registry.get('Textinfo')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', hint: 'did you mean "TextInfo"?' }))
    expect(() => registry.get('Zebra')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', hint: undefined }))
  })
})

describe('nearestName', () => {
  it('counts edits', () => {
    expect(nearestName('max_epcoh', ['max_epoch', 'minibatch'])).toBe('max_epoch')
    expect(nearestName('x', ['exp_name'])).toBeUndefined()
    expect(nearestName('anything', [])).toBeUndefined()
  })
})

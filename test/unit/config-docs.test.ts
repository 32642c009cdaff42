/** docs/configuration.md names every key of the schema. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { configSchema } from '../../lib/config/schema.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/configuration.md', import.meta.url)), 'utf8')

/** Every dotted path of the schema. */
function paths(schema: unknown, path: string[] = []): string[][] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return paths(schema.unwrap(), path)
  if (schema instanceof z.ZodPipe) return paths(schema.out, path)
  if (!(schema instanceof z.ZodObject)) return [path]
  return [path, ...Object.entries(schema.shape).flatMap(([key, value]) => paths(value, [...path, key]))]
}

describe('docs/configuration.md', () => {
  const keys = new Map<string, string[]>()
  for (const path of paths(configSchema)) {
    const key = path.at(-1)
    // The online tracker's own keys are the original's, listed in one file.
    if (key !== undefined && !path.includes('SiamFCppOnlineTracker')) keys.set(key, path)
  }

  it('sees the whole schema', () => {
    expect(keys.size).toBeGreaterThan(120)
    expect(keys.get('apply_area_limits')?.join('.')).toBe('train.track.data.sampler.submodules.filter.TrackPairFilter.apply_area_limits')
  })

  it.each([...keys])('%s', (key, path) => {
    expect(new RegExp(`[\`.]${key}[\`.]`).test(page), `${path.join('.')} is not documented`).toBe(true)
  })
})

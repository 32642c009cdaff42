/** Whether a configuration has what a search is to change, and takes what it may draw, before the first trial is run. */
import { loadConfig, requireTest, type Config } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import { nearestName } from '../registry.ts'
import { extremes, overridesOf } from './draw.ts'
import { configKey, type SearchParameter, type SearchSpace } from './space.ts'

/** Sections that a tracker is made of; what is searched elsewhere would not change a box. */
const sections = ['pipeline', 'model']

/** Of a tracker: what a configuration says of these is not used, as in the original. */
const computed = ['score_size', 'score_offset']

/**
 * @param file      of the configuration
 * @param overrides that it was loaded with
 * @throws ERR_CONFIG with file and line of the first range that means nothing to the configuration, or has values that it refuses
 */
export async function checkSpace(config: Config, file: string, overrides: readonly string[], { parameters }: Pick<SearchSpace, 'parameters'>): Promise<void> {
  for (const parameter of parameters) {
    checkPath(config, parameter)
    for (const value of extremes(parameter.range)) {
      const override = overridesOf([parameter], [value])
      try {
        await loadConfig(file, [...overrides, ...override], { onWarning: () => {} })
      } catch (cause) {
        if (!(cause instanceof SiamError)) throw cause
        throw new SiamError('ERR_CONFIG', `The range of ${configKey(parameter)} has a value that the configuration refuses: ${cause.message}`, { ...parameter.origin, cause })
      }
    }
  }
}

function checkPath(config: Config, parameter: SearchParameter): void {
  const { path, origin } = parameter
  const track = requireTest(config) as unknown as Record<string, unknown>
  const key = configKey(parameter)
  if (!sections.includes(path[0] as string)) {
    throw new SiamError('ERR_CONFIG', `Expected ranges below test.track.pipeline or test.track.model but received one for ${key}, which changes no box`, origin)
  }
  const tracker = requireTest(config).pipeline?.name
  if (path[0] === 'pipeline' && path.length > 2 && path[1] !== tracker) {
    throw new SiamError('ERR_CONFIG', `${key} is searched, but the configuration's tracker is ${tracker ?? 'not named'}: nothing would change`, { ...origin, hint: 'give ranges of the tracker that test.track.pipeline.name names' })
  }
  if (path[0] === 'pipeline' && computed.includes(path.at(-1) as string)) {
    throw new SiamError('ERR_CONFIG', `${key} is searched, but it is computed from other sizes: nothing would change`, origin)
  }
  let value: unknown = track
  for (const [depth, part] of path.entries()) {
    const inside: Record<string, unknown> = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
    if (!Object.hasOwn(inside, part)) {
      const nearest = nearestName(part, Object.keys(inside))
      throw new SiamError('ERR_CONFIG', `The configuration has no ${['test.track', ...path.slice(0, depth + 1)].join('.')} to search`, { ...origin, hint: nearest === undefined ? undefined : `did you mean ${nearest}?` })
    }
    value = inside[part]
  }
  if (typeof value === 'object' && value !== null) throw new SiamError('ERR_CONFIG', `Expected the range of one value, but ${key} is ${Array.isArray(value) ? 'a list' : 'a section'} of the configuration`, origin)
}

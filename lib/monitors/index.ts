/** Monitors by name, and the list of them that a configuration asks for. */
import { invalidArgument, SiamError } from '../errors.ts'
import { Registry } from '../registry.ts'
import type { HyperParams, Monitor, MonitorClass } from './monitor.ts'
import { TensorboardLogger } from './tensorboard-logger.ts'
import { TextInfo } from './text-info.ts'

export { Monitor, type EngineData, type EngineState, type HyperParams, type MonitorClass, type MonitorProgress } from './monitor.ts'
export { TensorboardLogger } from './tensorboard-logger.ts'
export { TextInfo } from './text-info.ts'

export const monitorRegistry = new Registry<MonitorClass>('monitor')
monitorRegistry.register('TextInfo', TextInfo)
monitorRegistry.register('TensorboardLogger', TensorboardLogger)

/**
 * Makes a monitor available to configurations: `trainer.monitors.names: [..., "MyMonitor"]`.
 * @throws ERR_ARGUMENT when the name is taken, or the class has no update()
 */
export function registerMonitor(name: string, monitorClass: MonitorClass): MonitorClass {
  if (typeof monitorClass !== 'function' || typeof monitorClass.prototype?.update !== 'function') {
    throw invalidArgument('a class with an update() method (extends Monitor)', `the monitor ${name}`, monitorClass)
  }
  return monitorRegistry.register(name, monitorClass)
}

/** The `monitors` node of a trainer's configuration: the names, and under each name its hyper-parameters. */
export interface MonitorsNode {
  names: readonly string[]
  [name: string]: unknown
}

/**
 * Makes the monitors that a configuration names, in that order, each with its hyper-parameters set.
 * @param config  a whole configuration (its `train.track.trainer.monitors` counts), or that node alone
 * @throws ERR_CONFIG for an unknown name or a wrong hyper-parameter
 */
export function buildMonitors(config: object): Monitor[] {
  const node = monitorsNode(config)
  return node.names
    .filter((name) => name !== '') // the original's default list is [""]
    .map((name) => {
      const monitor = new (monitorRegistry.get(name))()
      monitor.setHyperParams(hyperParams(name, node[name]))
      monitor.updateParams()
      return monitor
    })
}

function monitorsNode(config: object): MonitorsNode {
  let node: unknown = config
  if (!('names' in config)) {
    for (const key of ['train', 'track', 'trainer', 'monitors']) {
      node = typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[key] : undefined
    }
    if (node === undefined || node === null) return { names: [] }
  }
  const { names } = node as { names?: unknown }
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw invalidArgument('a list of names', 'train.track.trainer.monitors.names', names, 'ERR_CONFIG')
  }
  return node as MonitorsNode
}

function hyperParams(name: string, value: unknown): HyperParams {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new SiamError('ERR_CONFIG', `Expected a mapping for train.track.trainer.monitors.${name} but received ${JSON.stringify(value)}`)
  }
  return { ...value }
}

/** From a configuration's backbone to what the addon builds. */
import { selected, whereIs, type Config } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import type { BackboneSpec } from '../native/addon.ts'

/** Channels of the built-in backbones' features; ShuffleNetV2's are its own head_width. */
const widths: Readonly<Record<string, number>> = { AlexNet: 256, TinyConv: 64, Inception3: 256 }

type Params = Readonly<Record<string, unknown>>

const specs: Readonly<Record<string, (params: Params, zSize: number) => BackboneSpec>> = {
  AlexNet: () => ({ name: 'AlexNet' }),
  TinyConv: () => ({ name: 'TinyConv' }),
  Inception3: (params) => ({ name: 'Inception3', cropPad: params.crop_pad as number, pruned: params.pruned as boolean }),
  ShuffleNetV2_x0_5: (params) => ({ name: 'ShuffleNetV2_x0_5', ...shuffleNet(params) }),
  ShuffleNetV2_x1_0: (params) => ({ name: 'ShuffleNetV2_x1_0', ...shuffleNet(params) }),
  TorchScript: (params, zSize) => ({ name: 'TorchScript', path: params.path as string, zSize }),
}

function shuffleNet(params: Params): Pick<BackboneSpec, 'cropPad' | 'headWidth'> {
  return { cropPad: params.crop_pad as number, headWidth: params.head_width as number }
}

/**
 * @param section  the configuration's `backbone`     @param at  its dotted path     @param zSize  side of the template crop in pixels
 * @throws ERR_CONFIG for a backbone that there is not
 */
export function backboneSpec(config: Config, section: { readonly name?: string }, at: string, zSize: number): BackboneSpec {
  const { name, params } = selected(config, section, at)
  const make = specs[name]
  if (make === undefined) {
    throw new SiamError('ERR_CONFIG', `The backbone ${name} is not available; expected one of ${Object.keys(specs).join(', ')}`, whereIs(config, `${at}.name`))
  }
  return make(params, zSize)
}

/**
 * The head and the task model must be as wide as the features of the backbone. (The addon checks it too; here file and line are known.)
 * @param model  the configuration's model     @param at  its dotted path
 * @throws ERR_CONFIG where a `head_width` is another one
 */
export function checkWidths(
  config: Config,
  spec: BackboneSpec,
  model: { readonly task_head: { readonly DenseboxHead: { readonly head_width: number } }; readonly task_model: { readonly SiamTrack: { readonly head_width: number } } },
  at: string,
): void {
  const width = spec.headWidth ?? widths[spec.name]
  if (width === undefined) return
  const places = [
    ['task_head.DenseboxHead.head_width', model.task_head.DenseboxHead.head_width],
    ['task_model.SiamTrack.head_width', model.task_model.SiamTrack.head_width],
  ] as const
  for (const [key, found] of places) {
    if (found === width) continue
    const source = spec.headWidth === undefined ? `the width of ${spec.name}` : `${at}.backbone.${spec.name}.head_width`
    throw new SiamError('ERR_CONFIG', `Expected ${width} for ${at}.${key} (${source}) but received ${found}`, whereIs(config, `${at}.${key}`))
  }
}

/**
 * A backbone of your own, exported from Python as TorchScript: train with it, then track with what was trained. docs/torchscript-backbone.md
 * shows the export.
 *
 *   node examples/own-backbone.mjs CONFIG BACKBONE.pt WIDTH FRAMES x,y,w,h [dotted.key=value …]      WIDTH: channels that it makes; FRAMES: a folder
 */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { buildTracker, buildTrainer, loadConfig, trackSequence } from 'siamfcpp-native'

const [file, backbone, width, frames, box, ...overrides] = process.argv.slice(2)
if (box === undefined) {
  console.error('usage: node examples/own-backbone.mjs CONFIG BACKBONE.pt WIDTH FRAMES x,y,w,h [dotted.key=value …]')
  process.exit(2)
}
/** What a configuration needs for a backbone of one's own; written into the YAML file it is the same. */
const own = (part) => [
  `${part}.track.model.backbone.name=TorchScript`,
  `${part}.track.model.backbone.TorchScript.path=${backbone}`,
  `${part}.track.model.task_head.DenseboxHead.head_width=${width}`,
  `${part}.track.model.task_model.SiamTrack.head_width=${width}`,
]
const config = await loadConfig(file, [...own('train'), ...overrides])

const trainer = await buildTrainer(config, { device: 'cpu' })
let snapshot
try {
  while (!trainer.isCompleted()) {
    await trainer.train()
    snapshot = await trainer.saveSnapshot()
  }
} finally {
  await trainer.close()
}
console.log(`Trained; the backbone's weights are in ${snapshot} as basemodel.*`)

// The tracker runs what test.track describes; here it is the network that was trained, with the default tracker.
const { model } = config.raw.train.track
const test = { test: { track: { model: { ...model, losses: { names: [] } }, pipeline: { name: 'SiamFCppTracker', SiamFCppTracker: { x_size: model.task_head.DenseboxHead.x_size ?? 303 } } } } }
const tracker = await buildTracker(await loadConfig(test), { weights: snapshot })
const files = readdirSync(frames).filter((name) => /\.(jpe?g|png)$/i.test(name)).sort().map((name) => path.join(frames, name))
for await (const { frame, box: found, score } of trackSequence(tracker, files, box.split(',').map(Number))) {
  console.log(`${frame}: ${found.map((value) => value.toFixed(1)).join(',')} score ${score.toFixed(3)}`)
}
tracker.dispose()

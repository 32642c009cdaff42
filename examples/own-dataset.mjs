/**
 * A data set of your own: boxes in a CSV file, one line a frame, the frames anywhere.
 *
 *   node examples/own-dataset.mjs CONFIG BOXES.csv [dotted.key=value …]
 *
 * BOXES.csv: clip,file,x1,y1,x2,y2 with paths from its own folder on; both corners belong to the box.
 * The configuration asks for the data set by its name, here through overrides; a YAML file does it the same way.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { buildTrainer, loadConfig, registerDataset, SiamError } from 'siamfcpp-native'

registerDataset('CsvDataset', async function* ({ file }, { problems, name }) {
  const csv = path.resolve(file)
  const clips = new Map()
  for (const [k, line] of (await readFile(csv, 'utf8')).split(/\r?\n/).entries()) {
    if (k === 0 || line === '') continue // the heading, the end
    const [clip, frame, ...box] = line.split(',')
    // What cannot be used is reported with its place; it ends the run when that is strict.
    if (box.length !== 4) {
      problems.add({ kind: 'bad_annotation', scope: 'frame', dataset: name, sequence: clip, file: csv, line: k + 1, message: `expected clip,file,x1,y1,x2,y2 but found ${line}` })
      continue
    }
    const sequence = clips.get(clip) ?? { name: clip, frames: [], boxes: [], boxFormat: 'xyxy' }
    clips.set(clip, sequence)
    sequence.frames.push(path.resolve(path.dirname(csv), frame))
    sequence.boxes.push(box.map(Number))
  }
  if (clips.size === 0) throw new SiamError('ERR_DATA', 'expected a line clip,file,x1,y1,x2,y2 for each frame', { file: csv })
  yield* clips.values()
})

const [configFile, boxes, ...overrides] = process.argv.slice(2)
if (boxes === undefined) {
  console.error('usage: node examples/own-dataset.mjs CONFIG BOXES.csv [dotted.key=value …]')
  process.exit(2)
}
const datasets = 'train.track.data.sampler.submodules.dataset'
const config = await loadConfig(configFile, [...overrides, `${datasets}.names=[CsvDataset]`, `${datasets}.CsvDataset={file: ${JSON.stringify(boxes)}, ratio: 1, max_diff: 50}`])
const trainer = await buildTrainer(config, { device: 'cpu' })
try {
  while (!trainer.isCompleted()) await trainer.train()
  console.log(`trained on ${boxes}`)
} finally {
  await trainer.close()
}

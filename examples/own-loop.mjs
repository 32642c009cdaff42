/**
 * A training loop of your own: one call for each stage, no trainer. It stops when the loss has not fallen for a while.
 *
 *   node examples/own-loop.mjs CONFIG WEIGHTS [dotted.key=value …]        WEIGHTS: file to write, .pkl or .safetensors
 */
import { buildDataloader, buildModel, buildOptimizer, createProgress, loadConfig, saveWeights, Tensor } from 'siamfcpp-native'
import { EventFileWriter } from 'siamfcpp-native/tfevents'

const [file, weights, ...overrides] = process.argv.slice(2)
if (weights === undefined) {
  console.error('usage: node examples/own-loop.mjs CONFIG WEIGHTS [dotted.key=value …]')
  process.exit(2)
}
const config = await loadConfig(file, overrides)
const { max_epoch, nr_image_per_epoch, minibatch } = config.train.track.trainer.RegularTrainer
const iterations = Math.floor(nr_image_per_epoch / minibatch)
const patience = 200 // iterations

const dataloader = await buildDataloader(config)
const model = await buildModel(config, { device: 'cpu' })
const optimizer = buildOptimizer(config, model)
const curves = await EventFileWriter.open(`${weights}.logs`, { purgeStep: 0 })
const progress = createProgress({ total: max_epoch * iterations })

let average
let best = { loss: Infinity, step: 0 }
let step = 0
try {
  model.train()
  for await (const batch of dataloader) {
    const epoch = Math.floor(step / iterations)
    const iteration = step % iterations
    if (iteration === 0) await optimizer.modifyGrad(epoch) // freezes and thaws layers as configured
    const { lr } = optimizer.schedule(epoch, iteration)
    optimizer.zeroGrad()

    const predictions = await model.forward(batch)
    const losses = {}
    const extras = {}
    for (const [name, loss] of Object.entries(model.losses)) {
      const { loss: value, extra } = await loss.forward(predictions, batch)
      losses[name] = value
      for (const [key, tensor] of Object.entries(extra)) extras[`${name}/${key}`] = tensor
    }
    const total = await Tensor.sum(Object.values(losses))
    await optimizer.backward(total) // a loss that is NaN makes step() skip the iteration
    await optimizer.modifyGrad(epoch, iteration)
    await optimizer.step()

    // One copy for all numbers; then the tensors go, at once instead of whenever the garbage collector runs.
    const scalars = { total, ...losses, ...extras }
    const values = await Tensor.items(Object.values(scalars))
    Object.keys(scalars).forEach((name, i) => curves.addScalar(name, values[i], step))
    for (const tensor of [...Object.values(batch), ...Object.values(predictions), ...Object.values(scalars)]) tensor.dispose()

    average = average === undefined ? values[0] : 0.98 * average + 0.02 * values[0]
    if (average < best.loss) best = { loss: average, step }
    progress.setDescription(`epoch ${epoch}, lr ${lr.toExponential(1)}, loss ${values[0].toFixed(3)}`)
    progress.update()
    step++
    if (step === max_epoch * iterations || step - best.step > patience) break
  }
  await saveWeights(model, weights)
} finally {
  progress.close()
  await curves.close()
  await dataloader.close()
  optimizer.dispose()
  model.dispose()
}
console.log(`${step} iterations, smoothed loss ${average.toFixed(3)}; weights in ${weights}, curves in ${weights}.logs`)

/**
 * A monitor of your own: it writes the losses of every iteration to a CSV file and warns when the total loss jumps.
 *
 *   node examples/custom-monitor.mjs CONFIG [dotted.key=value …]
 *
 * The configuration asks for it by its name, here through overrides; a YAML file does it the same way.
 */
import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { buildTrainer, loadConfig, Monitor, registerMonitor } from 'siamfcpp-native'

class CsvLog extends Monitor {
  // What the configuration may set (and `every`, which all monitors have).
  static defaultHyperParams = { file: '', jump: 3 }

  #handle = null
  #previous = Infinity

  async update({ schedule_info, training_losses, extras }) {
    const { epoch, iteration } = this.engineState
    const { file, jump } = this.getHyperParams()
    const columns = { epoch, iteration, lr: schedule_info.lr, ...training_losses, ...extras.reg }
    if (this.#handle === null) {
      await mkdir(path.dirname(file), { recursive: true })
      this.#handle = await open(file, 'w')
      await this.#handle.write(`${Object.keys(columns).join(',')}\n`)
    }
    await this.#handle.write(`${Object.values(columns).join(',')}\n`)

    const total = Object.values(training_losses).reduce((sum, loss) => sum + loss, 0)
    if (total > jump * this.#previous) this.log(`epoch ${epoch}, iteration ${iteration}: the loss jumped from ${this.#previous} to ${total}`)
    this.#previous = total
  }

  async close() {
    await this.#handle?.close()
    this.#handle = null
  }
}

registerMonitor('CsvLog', CsvLog)

const [file, ...overrides] = process.argv.slice(2)
if (file === undefined) {
  console.error('usage: node examples/custom-monitor.mjs CONFIG [dotted.key=value …]')
  process.exit(2)
}
const monitors = 'train.track.trainer.monitors'
const config = await loadConfig(file, [`${monitors}.names=[TextInfo, CsvLog]`, `${monitors}.CsvLog.file=logs/losses.csv`, ...overrides])

const trainer = await buildTrainer(config, { device: 'cpu' })
try {
  while (!trainer.isCompleted()) {
    await trainer.train()
    await trainer.saveSnapshot()
  }
} finally {
  await trainer.close() // closes the monitors too
}
console.log(`Losses are in ${config.train.track.trainer.monitors.CsvLog.file}`)

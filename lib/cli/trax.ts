/**
 * `siamtrain trax`: the configured tracker as a TraX server, for the VOT toolkits.
 */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import type { TrackPrecision } from '../native/addon.ts'
import { checkedDevice } from '../native/device.ts'
import { buildTracker } from '../tracking/index.ts'
import { precisionHelp, trackPrecisions } from '../tracking/precision.ts'
import { serveTrax, type TraxVersion } from '../trax/index.ts'
import { socketTransport, standardTransport } from '../trax/transport.ts'
import { packageVersion } from '../version.ts'
import { withSignals } from './common.ts'

interface TraxFlags {
  config?: string
  set?: string[]
  weights?: string
  ema?: boolean
  name?: string
  protocol: TraxVersion
  device: string
  threads?: number
  precision: TrackPrecision
}

const examples = `
Examples:
  siamtrain trax my.yaml --weights snapshots/my/epoch-19.pkl
  siamtrain trax --config my.yaml --weights epoch-19.pkl --device cuda --name siamfcpp_alexnet --protocol 4

A toolkit starts this command and talks to it over its standard input and output, or over TCP where the environment variable TRAX_SOCKET
names a port on this machine. Messages are lines @@TRAX:…; everything else that is said goes to standard error. Images may be paths, raw
pixels (memory) or encoded files (buffer), regions rectangles or polygons; every state carries the tracker's confidence. In the toolkit's
trackers.ini: protocol = trax and command = siamtrain trax /abs/my.yaml --weights /abs/epoch-19.pkl (see docs/vot.md).`

export function registerTraxCommand(program: Command): void {
  program
    .command('trax')
    .description('serve the tracker over the TraX protocol, for the VOT toolkits')
    .argument('[config]', 'YAML file of the experiment (its test.track part)')
    .option('--config <file>', 'the YAML file, as siamtrain track has it')
    .option('--set <key=value>', 'override a key of the configuration; may be repeated', (text: string, before: string[] = []) => [...before, text])
    .option('--weights <file>', 'snapshot or weights: .pkl, .pth or .safetensors (default: the pretrain_model_path of the configuration)')
    .option('--ema', "track with the snapshot's averaged weights (a run with optim.ema)")
    .option('--name <name>', "what the toolkit is told as the tracker's name (default: the tracker's own)")
    .option('--protocol <version>', 'version of the protocol, 1 to 4: up to 3, initialize carries the image too', versionOf, 3)
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .addOption(new Option('--precision <type>', precisionHelp).choices(trackPrecisions).default('fp32'))
    .option('--threads <n>', 'threads of libtorch (default: all cores)', positive)
    .addHelpText('after', examples)
    .action(async (file: string | undefined, flags: TraxFlags) => {
      const config = file ?? flags.config
      if (config === undefined || (file !== undefined && flags.config !== undefined)) throw new SiamError('ERR_ARGUMENT', 'Expected one configuration: as an argument, or with --config')
      await withSignals((signal) => trax(config, flags, signal))
    })
}

async function trax(file: string, flags: TraxFlags, signal: AbortSignal): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  checkedDevice(flags.device, '--device')
  const config = await loadConfig(file, flags.set ?? [], { onWarning: (warning) => say(`Warning: ${warningText(warning)}`) })
  const { weights, ema, device, threads, precision, protocol } = flags
  // A tracker that cannot be built must not say hello.
  using tracker = await buildTracker(config, { weights, ema, device, threads, precision, log: say })
  const port = process.env.TRAX_SOCKET
  const transport = port === undefined || port === '' ? standardTransport() : await socketTransport(port, signal)
  signal.addEventListener('abort', transport.abort, { once: true })
  try {
    const ended = await serveTrax(tracker, transport.input, {
      version: protocol,
      name: flags.name ?? tracker.name,
      identifier: `siamfcpp-native ${packageVersion}`,
      description: `${tracker.name} of siamfcpp-native`,
      family: 'SiamFC++',
      write: transport.write,
      signal,
    })
    if (ended === 'end of input') say('The client went without saying quit.')
  } finally {
    signal.removeEventListener('abort', transport.abort)
    await transport.close()
  }
}

function versionOf(text: string): TraxVersion {
  const version = Number(text)
  if (version !== 1 && version !== 2 && version !== 3 && version !== 4) throw new InvalidArgumentError('Expected 1, 2, 3 or 4.')
  return version
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected an integer ≥ 1.')
  return value
}

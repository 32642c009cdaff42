/**
 * `siamtrain demo`: a local web page in which a tracker can be watched and corrected.
 */
import { spawn } from 'node:child_process'
import { InvalidArgumentError, type Command } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import type { TrackPrecision } from '../native/addon.ts'
import { checkedDevice } from '../native/device.ts'
import { startDemo, type DemoOptions } from '../demo/server.ts'
import { trackerSupply } from '../demo/trackers.ts'
import { precisionHelp } from '../tracking/precision.ts'
import { openVideo } from '../tracking/video/index.ts'
import { reportError, withSignals } from './common.ts'

interface DemoFlags {
  config: string
  set?: string[]
  weights?: string
  ema?: boolean
  port?: number
  open?: boolean
  device: string
  threads?: number
  precision: TrackPrecision
  json?: boolean
}

/** Taken unless --port says another one; if it is taken already, any free one. */
const usualPort = 8650

const examples = `
Examples:
  siamtrain demo --config my.yaml --weights snapshots/my/epoch-19.pkl
  siamtrain demo frames/ clip.mp4 --config my.yaml --weights epoch-19.pkl --port 0 --open

SOURCE is a folder of .jpg, .png or .webp files, a pattern in quotes, or a video; the page lists them and takes uploads, too. The page is at
127.0.0.1, for this machine alone. Uploads are kept in a temporary folder until the server ends (Ctrl-C). With --json: {"url","port","folder"}.`

export function registerDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('follow a target on a local web page: draw a box, watch, correct, export')
    .argument('[source...]', 'folders, patterns or videos to offer')
    .requiredOption('--config <file>', 'YAML file of the experiment (its test.track part)')
    .option('--set <key=value>', 'override a key of the configuration; may be repeated', (text: string, before: string[] = []) => [...before, text])
    .option('--weights <file>', 'snapshot or weights: .pkl, .pth or .safetensors (default: the pretrain_model_path of the configuration)')
    .option('--ema', "track with the snapshot's averaged weights (a run with optim.ema)")
    .option('--port <n>', `port to listen at, 0 for any free one (default: ${usualPort}, or a free one if that is taken)`, portOf)
    .option('--open', 'open the page in the browser')
    .option('--device <device>', 'cpu, cuda or cuda:N', 'cpu')
    .option('--threads <n>', 'threads of libtorch (default: all cores)', positive)
    .option('--precision <type>', precisionHelp, 'fp32')
    .option('--json', 'print the address as JSON')
    .addHelpText('after', examples)
    .action(async (sources: string[], flags: DemoFlags) => {
      await withSignals((signal) => demo(sources, flags, signal), 'Ending …')
    })
}

async function demo(sources: string[], flags: DemoFlags, signal: AbortSignal): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  checkedDevice(flags.device, '--device')
  const config = await loadConfig(flags.config, flags.set ?? [], { onWarning: (warning) => say(`Warning: ${warningText(warning)}`) })
  const { weights, ema, device, threads, precision } = flags
  const trackers = await trackerSupply(config, { weights, ema, device, threads, precision, log: say })
  try {
    signal.throwIfAborted()
    const server = await start({ trackers, sources, openVideo, device, port: flags.port ?? usualPort, onBug: (error) => void reportError(error, true) }, flags.port === undefined)
    try {
      const { url, port, folder } = server
      process.stdout.write(flags.json === true ? `${JSON.stringify({ url, port, folder })}\n` : `The demo is at ${url} (Ctrl-C ends it)\n`)
      if (flags.open === true) openInBrowser(url, say)
      await aborted(signal)
    } finally {
      await server.close()
    }
  } finally {
    trackers.dispose()
  }
}

async function start(options: DemoOptions, anyPort: boolean): ReturnType<typeof startDemo> {
  try {
    return await startDemo(options)
  } catch (error) {
    if (!anyPort || !(error instanceof SiamError) || (error.cause as NodeJS.ErrnoException | undefined)?.code !== 'EADDRINUSE') throw error
    return startDemo({ ...options, port: 0 })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function openInBrowser(url: string, say: (line: string) => void): void {
  const failed = (): void => say(`No browser could be started; open ${url} yourself`)
  const child = spawn('xdg-open', [url], { stdio: 'ignore', detached: true })
  child.once('error', failed)
  child.once('exit', (code) => {
    if (code !== 0) failed()
  })
  child.unref()
}

function portOf(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > 65_535) throw new InvalidArgumentError('Expected a port: an integer from 0 to 65535.')
  return value
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected an integer ≥ 1.')
  return value
}

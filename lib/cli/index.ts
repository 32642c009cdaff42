/**
 * The command line. Each command is a file of its own that is imported when it is called, so that --help answers at once.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { SiamError } from '../errors.ts'
import { exitCodes, nearest, reportError, signalExitCode, surviveBrokenPipes } from './common.ts'

type Register = (program: Command) => void

interface CommandEntry {
  name: string
  /** One line for the list of commands. */
  summary: string
  load: () => Promise<Register>
}

const commands: readonly CommandEntry[] = [
  { name: 'inspect', summary: 'show what a checkpoint holds', load: async () => (await import('./inspect.ts')).registerInspectCommand },
  { name: 'convert', summary: 'convert checkpoints between torch and safetensors', load: async () => (await import('./convert.ts')).registerConvertCommand },
  { name: 'synth', summary: 'make a synthetic data set in GOT-10k layout', load: async () => (await import('./synth.ts')).registerSynthCommand },
  { name: 'data', summary: 'index, verify and pack data sets, and show what is in them', load: async () => (await import('./data.ts')).registerDataCommand },
  { name: 'schedule', summary: 'show learning rate and frozen parameters over the epochs', load: async () => (await import('./schedule.ts')).registerScheduleCommand },
  { name: 'quickstart', summary: 'data, training and tracking in one go, to see how it works', load: async () => (await import('./quickstart.ts')).registerQuickstartCommand },
  { name: 'doctor', summary: 'check libtorch, the addon and the devices', load: async () => (await import('./doctor.ts')).registerDoctorCommand },
  { name: 'train', summary: 'train a tracker as a configuration says', load: async () => (await import('./train.ts')).registerTrainCommand },
  { name: 'track', summary: 'follow a target through a sequence of images', load: async () => (await import('./track.ts')).registerTrackCommand },
  { name: 'trax', summary: 'serve the tracker to the VOT toolkits (TraX protocol)', load: async () => (await import('./trax.ts')).registerTraxCommand },
  { name: 'eval', summary: 'score trackers on a benchmark from their result files', load: async () => (await import('./eval.ts')).registerEvalCommand },
  { name: 'test', summary: 'run the configured tracker over benchmarks, and score it', load: async () => (await import('./test.ts')).registerTestCommand },
  { name: 'hpo', summary: "search for a tracker's hyper-parameters", load: async () => (await import('./hpo.ts')).registerHpoCommand },
  { name: 'demo', summary: 'follow a target on a local web page', load: async () => (await import('./demo.ts')).registerDemoCommand },
  { name: 'bench', summary: 'measure speed beside a yardstick in Python', load: async () => (await import('./bench.ts')).registerBenchCommand },
]

const examples = `
Examples:
  siamtrain quickstart
  siamtrain train configs/siamfcpp_alexnet-got10k.yaml train.track.data.minibatch=8 --device cpu
  siamtrain COMMAND --help

Exit codes: 0 done, 1 failed, 2 wrong call, 130 or 143 stopped by a signal. --debug adds the stack to an error.`

function newProgram(): Command {
  const packageFile = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }
  const program = new Command('siamtrain')
  program
    .description('Train, run and evaluate SiamFC++ trackers on libtorch.')
    .version(version)
    .helpCommand(false)
    .showHelpAfterError(false)
    .exitOverride()
    // Its messages become our one-line errors; help goes to stdout untouched.
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .addHelpText('after', examples)
  return program
}

/**
 * Runs one command line and sets the process's exit code; it never calls process.exit, so that output is flushed and the addon drains.
 * @param args  without the interpreter and the script
 */
export async function main(args: readonly string[]): Promise<void> {
  surviveBrokenPipes()
  const end = args.indexOf('--')
  const own = end === -1 ? args : args.slice(0, end)
  const debug = own.includes('--debug')
  const rest = [...own.filter((arg) => arg !== '--debug'), ...(end === -1 ? [] : args.slice(end))]
  try {
    await dispatch(rest)
    process.exitCode = signalExitCode() ?? process.exitCode ?? exitCodes.done
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? usageExit(error) : reportError(error, debug)
  }
}

async function dispatch(args: string[]): Promise<void> {
  const program = newProgram()
  const helpFor = args[0] === 'help'
  const words = helpFor ? args.slice(1) : args
  const name = words[0]
  if (name === undefined && !helpFor) {
    throw new SiamError('ERR_ARGUMENT', 'no command was given', { hint: `one of ${commands.map((entry) => entry.name).join(', ')}; siamtrain --help explains them` })
  }
  if (name === undefined || name.startsWith('-')) {
    for (const entry of commands) program.command(entry.name).description(entry.summary)
    await program.parseAsync(helpFor ? ['--help'] : args, { from: 'user' })
    return
  }
  const entry = commands.find((candidate) => candidate.name === name)
  if (entry === undefined) {
    const guess = nearest(name, commands.map((candidate) => candidate.name))
    throw new SiamError('ERR_ARGUMENT', `unknown command '${name}'`, {
      hint: guess === undefined ? 'siamtrain --help lists the commands' : `did you mean '${guess}'? siamtrain --help lists the commands`,
    })
  }
  const register = await entry.load()
  register(program)
  await program.parseAsync(helpFor ? [name, '--help'] : args, { from: 'user' })
}

/** Help and --version are answers; anything else that commander stops for is a wrong call. */
function usageExit(error: CommanderError): number {
  if (error.exitCode === 0) return exitCodes.done
  // A group of commands was called without one of them: commander would print its help as an error.
  const message = error.code === 'commander.help' ? 'no subcommand was given' : error.message.replace(/^error: /, '')
  return reportError(new SiamError('ERR_ARGUMENT', message, { hint: 'add --help for the usage' }), false)
}

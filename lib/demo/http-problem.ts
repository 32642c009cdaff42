/**
 * Errors on their way to the page: a status for programs, and words that say what to do.
 */
import { SiamError, type ErrorCode } from '../errors.ts'

/** An error whose HTTP status is chosen where it arises. */
export class HttpProblem extends SiamError {
  readonly status: number

  constructor(status: number, code: ErrorCode, message: string, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint })
    this.status = status
  }
}

export interface ProblemBody {
  code: ErrorCode
  message: string
  hint?: string
}

/**
 * What the page shows of an error; a source knows how the user calls its files. Of files only the name is told, not where the server has them; of what is no SiamError nothing but that
 * it is our mistake.
 */
export function problemBody(error: unknown, nameOf: (file: string) => string = baseName): ProblemBody {
  if (!(error instanceof SiamError)) return { code: 'ERR_INTERNAL', message: 'Something went wrong in the server', hint: 'the terminal that it runs in says more' }
  const { code, hint, file } = error
  const where = file === undefined ? '' : `${nameOf(file)}: `
  return { code, message: `${where}${error.message}`, ...(hint === undefined ? {} : { hint }) }
}

export const baseName = (file: string): string => file.split(/[/\\]/).at(-1) as string

export function statusOf(error: unknown): number {
  if (error instanceof HttpProblem) return error.status
  if (!(error instanceof SiamError)) return 500
  return error.code === 'ERR_DATA' ? 422 : error.code === 'ERR_ARGUMENT' ? 400 : error.code === 'ERR_ABORTED' ? 503 : 500
}

import { SiamError } from '../errors.ts'

const hints: Record<string, string> = {
  ENOSPC: 'the disk is full: free some space or choose another exp_save folder',
  EDQUOT: 'your disk quota is used up: free some space or choose another exp_save folder',
  EACCES: 'check the permissions of the file and of its folder',
  EPERM: 'check the permissions of the file and of its folder',
  EROFS: 'the file system is read-only: choose another folder',
  ENOENT: 'check the path',
  ENOTDIR: 'a part of the path is a file where a folder is needed',
  EISDIR: 'the path is a folder where a file is needed',
  EMFILE: 'too many files are open: raise `ulimit -n`',
}

/** A failed file operation as ERR_IO: what was tried, the system's word for what went wrong, and what to do. */
export function ioError(error: unknown, doing: 'read' | 'write' | 'list', file: string): SiamError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const message = error instanceof Error ? error.message : String(error)
  return new SiamError('ERR_IO', `cannot ${doing}: ${message}`, { file, hint: code === undefined ? undefined : hints[code], cause: error })
}

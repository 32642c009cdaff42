/**
 * Results packed for a benchmark's server.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { ZipWriter } from '../../checkpoint/zip-writer.ts'
import { SiamError } from '../../errors.ts'
import { resultPaths, type ResultFormat } from './result-files.ts'

/** Where results of a benchmark with secret annotations are sent. */
export const servers: Readonly<Record<string, string>> = {
  'GOT-10k': 'http://got-10k.aitestunion.com/submit_instructions',
  TrackingNet: 'https://eval.tracking-net.org',
}

/**
 * Writes FOLDER.zip: of GOT-10k SEQ/SEQ_001.txt and SEQ/SEQ_time.txt, else SEQ.txt, as the servers take them.
 * @returns its path @throws ERR_IO
 */
export async function packSubmission(format: ResultFormat, folder: string, sequences: readonly string[]): Promise<string> {
  const file = `${folder}.zip`
  await writeFileAtomically(file, async (sink) => {
    const zip = new ZipWriter(sink)
    for (const sequence of sequences.toSorted()) {
      for (const result of submitted(format, folder, sequence)) {
        let bytes: Uint8Array
        try {
          bytes = await readFile(result)
        } catch (cause) {
          throw new SiamError('ERR_IO', `the result cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file: result, cause })
        }
        await zip.add(path.relative(folder, result).split(path.sep).join('/'), bytes)
      }
    }
    await zip.finish()
  })
  return file
}

/** GOT-10k's server takes times as well; TrackingNet's a file for each sequence and nothing else. */
function submitted(format: ResultFormat, folder: string, sequence: string): string[] {
  const files = resultPaths(format, folder, sequence)
  return format === 'got10k' ? files.toReversed() : files.slice(-1)
}

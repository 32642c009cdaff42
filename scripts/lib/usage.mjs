import { readFileSync } from 'node:fs'

/**
 * What --help says of a script: the comment at its top, which is all that there is to say.
 * @param {string | URL} script  its import.meta.url
 */
export function usageOf(script) {
  const [, comment = ''] = /^\/\*\*\n([^]*?)\n \*\//.exec(readFileSync(new URL(script), 'utf8')) ?? []
  return `${comment.replaceAll(/^ \* ?/gm, '')}\n`
}

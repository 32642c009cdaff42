/** Names of files inside an archive or a folder. */

/**
 * Makes a relative name with `/` of an archive's name for an entry.
 * @returns the name (ending in `/` for a folder, '' for the root), or what is wrong with it
 */
export function cleanEntryName(raw: string): { name: string } | { wrong: string } {
  // Some Windows programs separate by backslashes. Since both are taken as separators, neither can hide a way out.
  const text = raw.replaceAll('\\', '/')
  if (text.includes('\0')) return { wrong: 'holds a zero byte' }
  if (text.startsWith('/') || /^[a-z]:/i.test(text)) return { wrong: 'is an absolute path' }
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) return { wrong: 'leads out of the archive' }
  return { name: parts.length > 0 && text.endsWith('/') ? `${parts.join('/')}/` : parts.join('/') }
}

/** Files that operating systems and editors leave behind: `__MACOSX/…`, `.DS_Store`, `._name`, `Thumbs.db`. */
export function isLeftover(name: string): boolean {
  return name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX' || /^(?:thumbs\.db|desktop\.ini)$/i.test(part))
}

/** Sorted as JavaScript compares strings: the same on every machine. */
export function sortedNames(names: Iterable<string>): string[] {
  return [...names].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

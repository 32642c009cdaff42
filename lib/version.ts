/** The version of this package, as package.json says. */
import { readFileSync } from 'node:fs'

// package.json lies one folder above lib/ and dist/ alike.
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

export const packageVersion = manifest.version

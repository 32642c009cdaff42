/** For a test's workers: something replaces the weights before the worker reads them. */
import { copyFileSync } from 'node:fs'

copyFileSync(process.env.REPLACING_WEIGHTS!, process.env.REPLACED_WEIGHTS!)

/** Adds up what vitest reports, for the last line of npm test and of npm run test:gpu. */
import { readFileSync } from 'node:fs'

export class TestTotals {
  passed = 0
  failed = 0
  skipped = 0

  /**
   * Adds the file of vitest's JSON reporter; one that is missing or cut short counts as a failure.
   * @param {string} file
   * @param {number} exitCode vitest's own
   */
  addFile(file, exitCode) {
    let results
    try {
      results = JSON.parse(readFileSync(file, 'utf8'))
    } catch {
      this.failed++
      return
    }
    this.passed += results.numPassedTests
    this.failed += results.numFailedTests
    this.skipped += results.numPendingTests + (results.numTodoTests ?? 0)
    // A file that could not even be loaded has no tests to count.
    const broken = results.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.every((test) => test.status !== 'failed'))
    this.failed += broken.length
    // An error outside of any test (an unhandled rejection, a crashed worker) shows in the exit code alone.
    if (exitCode !== 0 && results.numFailedTests === 0 && broken.length === 0) this.failed++
  }

  /** @param {TestTotals} other */
  add(other) {
    this.passed += other.passed
    this.failed += other.failed
    this.skipped += other.skipped
  }

  /** @returns {string} `N passed, N failed`, and what was skipped */
  toString() {
    return `${this.passed} passed, ${this.failed} failed${this.skipped === 0 ? '' : `, ${this.skipped} skipped`}`
  }
}

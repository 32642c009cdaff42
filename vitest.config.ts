import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Native handles, signals and libtorch's thread team want a process of their own, and two cores want one file at a time.
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Tests read what they have just written; those of the cache itself choose a folder of their own.
    env: { SIAMFCPP_INDEX_CACHE: 'none' },
  },
})

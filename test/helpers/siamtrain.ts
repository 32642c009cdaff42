/** The command line from its TypeScript source: what bin/siamtrain.js does with dist/, without a build in between. */
import { main } from '../../lib/cli/index.ts'

await main(process.argv.slice(2))

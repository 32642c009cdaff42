/**
 * Lays ../shared/data/vot-bag (real frames with VOT polygons) out as a data set in GOT-10k's layout with one sequence, the same one as train and as val.
 *
 *   node scripts/bag-to-got10k.mjs OUT [BAG]        needs Node >= 22.18 (it imports TypeScript)
 */
import { access, copyFile, mkdir, readFile, readdir, rm, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

if (!process.features.typescript) {
  process.stderr.write(`bag-to-got10k: needs Node 22.18 or newer, this is ${process.version}. After npm run setup: npx node scripts/bag-to-got10k.mjs …\n`)
  process.exit(2)
}
const { axisAlignedBox, centerToRect } = await import('../lib/data/polygon.ts')

const [out, given] = process.argv.slice(2)
if (out === undefined || out.startsWith('-')) {
  process.stderr.write('usage: node scripts/bag-to-got10k.mjs OUT [BAG]\n')
  process.exit(2)
}
const bag = given ?? fileURLToPath(new URL('../../shared/data/vot-bag', import.meta.url))

try {
  await layOut(path.resolve(out), bag)
} catch (error) {
  process.stderr.write(`bag-to-got10k: ${error.message}\n`)
  process.exitCode = 1
}

/** Complete or not there: written beside `root` and renamed. */
async function layOut(root, source) {
  if (await exists(root)) throw new Error(`${root} is there already; remove it first`)
  const frames = (await readdir(source)).filter((name) => name.endsWith('.jpg')).sort()
  const lines = (await readFile(path.join(source, 'groundtruth.txt'), 'utf8')).trim().split(/\r?\n/)
  if (frames.length === 0 || frames.length !== lines.length) throw new Error(`${source}: ${frames.length} frames and ${lines.length} lines of groundtruth.txt`)
  const boxes = lines.map((line) => centerToRect(axisAlignedBox(line.split(',').map(Number))).map((value) => value.toFixed(4)).join(','))
  const partial = `${root}.partial-${process.pid}`
  try {
    for (const split of ['train', 'val']) {
      const dir = path.join(partial, split, 'bag')
      await mkdir(dir, { recursive: true })
      for (const [k, frame] of frames.entries()) await copyFile(path.join(source, frame), path.join(dir, `${String(k + 1).padStart(8, '0')}.jpg`))
      await writeFile(path.join(dir, 'groundtruth.txt'), `${boxes.join('\n')}\n`)
      await writeFile(path.join(partial, split, 'list.txt'), 'bag\n')
    }
    await rename(partial, root)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  process.stdout.write(`${root}: 1 sequence of ${frames.length} frames, as train and as val\n`)
}

async function exists(file) {
  return access(file).then(
    () => true,
    () => false,
  )
}

/** The folder of a pack while it is made: what it is to become is written down before the first shard, and kept to by whoever goes on with it. */
import { readFile, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../../checkpoint/atomic-file.ts'
import { ioError } from '../../checkpoint/io-error.ts'
import { SiamError } from '../../errors.ts'
import { lockFileName } from '../../lock-folder.ts'
import { packageVersion } from '../../version.ts'
import { isMissing } from '../files.ts'
import { packManifestFile, packTableFile } from './format.ts'
import { type PackIdentity, differences } from './identity.ts'

/** Holds the plan and the rows of complete shards; gone when the pack is finished. */
export const workFolderName = '.making'
const planFile = 'plan.json'
const planFormat = 'siamfcpp-pack-plan'

export const defaultShardBytes = 256e6
/** A small pack has this many shards all the same, so that threads share the work and a stopped run loses little. */
const fewestShards = 16
/** But none is smaller. */
const leastShardBytes = 4e6

export interface PackPlan {
  product: string
  identity: PackIdentity
  /** How large a shard should be, bytes. */
  shardBytes: number
  /** Shard k holds the rows from ⌊k · frames / shards⌋ on. */
  shards: number
}

/**
 * How many shards a pack has.
 * @param bytes  of all of them, estimated     @param shardBytes  wanted size of one     @param rows  frames
 */
export function shardCount(bytes: number, shardBytes: number, rows: number): number {
  const least = Math.min(leastShardBytes, shardBytes)
  const wanted = Math.max(Math.ceil(bytes / shardBytes), Math.min(fewestShards, Math.ceil(bytes / least)), 1)
  return Math.min(wanted, Math.max(rows, 1), 99_999)
}

/**
 * @returns null where the folder has no plan: nothing was begun
 * @throws ERR_DATA when it is damaged, ERR_IO when it cannot be read: then what was begun there is not known, and must not be mixed with something else
 */
export async function readPlan(dir: string): Promise<PackPlan | null> {
  const file = path.join(dir, workFolderName, planFile)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw ioError(error, 'read', file)
  }
  const plan = parsed(text)
  if (plan !== null) return plan
  throw new SiamError('ERR_DATA', 'Expected the plan of the pack that was begun here but the file is damaged', { file, hint: 'choose another folder, or --overwrite to begin anew' })
}

function parsed(text: string): PackPlan | null {
  try {
    const plan = JSON.parse(text) as (PackPlan & { format?: unknown }) | null
    return plan?.format === planFormat && Number.isSafeInteger(plan.shards) && plan.shards >= 1 && typeof plan.identity === 'object' && plan.identity !== null ? plan : null
  } catch {
    return null
  }
}

/** @throws ERR_IO */
export async function writePlan(dir: string, plan: PackPlan): Promise<void> {
  await writeFileAtomically(path.join(dir, workFolderName, planFile), (sink) => sink(Buffer.from(`${JSON.stringify({ format: planFormat, ...plan }, null, 2)}\n`)))
}

/** @throws ERR_DATA when what was begun there is something else */
export function checkPlan(plan: PackPlan, identity: PackIdentity, shardBytes: number, dir: string): void {
  const told = differences(plan.identity, identity)
  if (plan.shardBytes !== shardBytes) told.push(`shard size is ${shardBytes / 1e6} MB, was ${plan.shardBytes / 1e6} MB`)
  if (plan.product !== packageVersion) told.push(`package version is ${packageVersion}, was ${plan.product}`)
  if (told.length > 0) throw otherPack('another pack was begun in this folder', told, dir)
}

/** The error for a folder that holds, or was to hold, another pack. */
export function otherPack(what: string, told: readonly string[], dir: string): SiamError {
  return new SiamError('ERR_DATA', `${what}: ${told.join('; ')}`, { file: dir, hint: 'choose another folder, or --overwrite to begin anew' })
}

const ownNames = /^(?:pack\.json|index\.siamidx|frames\.siampak|shard-\d{5,}\.tar|\.making|\.lock)(?:\.partial|\.tmp-.*)?$/

/** @throws ERR_DATA when a folder holds files that no pack has: it was probably not meant */
export async function checkFolder(dir: string): Promise<void> {
  const other = (await readdir(dir)).find((name) => !ownNames.test(name))
  if (other === undefined) return
  throw new SiamError('ERR_DATA', `expected an empty folder or a pack but found ${JSON.stringify(other)} there`, { file: dir, hint: 'choose another folder' })
}

/** Removes a pack, finished or not; the manifest first, so that no half of one looks whole. The lock stays. */
export async function removePack(dir: string): Promise<void> {
  await rm(path.join(dir, packManifestFile), { force: true })
  for (const name of await readdir(dir)) if (name !== lockFileName && ownNames.test(name)) await rm(path.join(dir, name), { recursive: true, force: true })
}

/** Removes shards and rows that no plan tells of: they may have been made with other settings. */
export async function removeLeftovers(dir: string): Promise<void> {
  await rm(path.join(dir, workFolderName), { recursive: true, force: true })
  for (const name of await readdir(dir)) if (name === packTableFile || /^shard-\d{5,}\.tar(?:\.partial)?$/.test(name)) await rm(path.join(dir, name), { recursive: true, force: true })
}

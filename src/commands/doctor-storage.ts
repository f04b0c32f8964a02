import { randomUUID } from 'node:crypto'
import type { StatsFs } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import type { Config } from '../config.ts'
import { openDiskStorage } from '../storage/disk.ts'
import { createBucket } from '../storage/s3-bucket.ts'
import { connectS3 } from '../storage/s3-client.ts'
import { createReading } from '../storage/s3-read.ts'
import { formatSize } from '../wire/size.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'
import { wordsOf } from './error-words.ts'

const PROBE = Buffer.from('landfall doctor')
const GIB = 1024 ** 3

/** What the system says of a file system. */
type Room = Pick<StatsFs, 'bavail' | 'blocks' | 'bsize' | 'ffree' | 'files'>

/** What of a storage a probe needs. */
interface Probed {
  write(key: string, bytes: Uint8Array): Promise<void>
  read(key: string): Promise<Uint8Array | null>
  remove(key: string): Promise<void>
  close(): void
}

/** Writes a small object, reads it again and takes it away; and looks at the room that is left. */
export async function checkStorage(config: Config): Promise<Finding[]> {
  const there = await stat(config.dataDir).catch(() => null)
  if (there === null && config.s3 === null)
    return [ok('storage', 'on disk, not made yet; the first start makes it')]
  const room = there === null ? [] : await checkRoom(config.dataDir)
  return [await probe(config), ...room]
}

async function probe(config: Config): Promise<Finding> {
  const check = 'storage'
  const where = config.s3 === null ? config.dataDir : `bucket ${config.s3.bucket}`
  const mend =
    config.s3 === null
      ? `see that ${path.join(config.dataDir, 'files')} can be written by this user`
      : 'see S3_BUCKET, S3_ENDPOINT, S3_REGION, the credentials and what they may do'
  let storage: Probed
  try {
    storage = config.s3 === null ? await openDisk(config) : await openBucket(config.s3)
  } catch (error) {
    return fail(check, wordsOf(error), mend)
  }
  const key = `doctor-${randomUUID()}`
  try {
    const begun = performance.now()
    await storage.write(key, PROBE)
    const took = performance.now() - begun
    const found = await storage.read(key)
    await storage.remove(key)
    if (found === null || !PROBE.equals(found))
      return fail(check, `${where} gave other bytes than it was given`, mend)
    return ok(check, `${where}: written, synced, read and removed (${took.toFixed(1)} ms to write)`)
  } catch (error) {
    await storage.remove(key).catch(() => {})
    return fail(check, wordsOf(error), mend)
  } finally {
    storage.close()
  }
}

async function openDisk({ dataDir, durability }: Config): Promise<Probed> {
  const root = path.join(dataDir, 'files')
  const disk = await openDiskStorage({ root, durability })
  return {
    write: disk.put,
    read: (key) => disk.get(key, PROBE.length + 1),
    remove: disk.remove,
    close: () => {},
  }
}

async function openBucket(settings: NonNullable<Config['s3']>): Promise<Probed> {
  const s3 = await connectS3(settings)
  const bucket = createBucket(s3)
  const reading = createReading(s3, async () => {
    throw new Error('what was written is not there')
  })
  return {
    write: bucket.putBytes,
    read: (key) => reading.bytes(key, 0, PROBE.length + 1),
    remove: bucket.remove,
    close: () => s3.client.destroy(),
  }
}

async function checkRoom(dataDir: string): Promise<Finding[]> {
  return roomFindings(await statfs(dataDir), dataDir)
}

/** Of a file system: bytes, and names of files. */
export function roomFindings(
  { bavail, blocks, bsize, ffree, files }: Room,
  dataDir: string,
): Finding[] {
  const free = bavail * bsize
  const text = `${formatSize(free)} of ${formatSize(blocks * bsize)} are free in ${dataDir}`
  const mend = 'make room, or move DATA_DIR: a full disk answers 507 until there is some'
  const little = free < GIB || free < blocks * bsize * 0.05
  let room = little ? warn('room', text, mend) : ok('room', text)
  if (free < GIB / 10) room = fail('room', text, mend)
  // Some file systems count none.
  if (files === 0 || ffree > Math.max(1000, files * 0.05)) return [room]
  return [room, warn('inodes', `${ffree} of ${files} inodes are left in ${dataDir}`, mend)]
}

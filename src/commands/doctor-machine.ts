import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { holdDirectory } from '../db/hold-directory.ts'
import { readBoot } from '../storage/boot.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'
import { wordsOf } from './error-words.ts'

/** package.json says the same to npm. */
export const OLDEST_NODE = '20.19.0'

/** @param version such as `20.19.3`. */
export function checkNode(version: string): Finding {
  const check = 'node'
  const numbers = (text: string) => text.split('.').map(Number)
  const [major = 0, minor = 0] = numbers(version)
  const [leastMajor = 0, leastMinor = 0] = numbers(OLDEST_NODE)
  if (major < leastMajor || (major === leastMajor && minor < leastMinor))
    return fail(check, `Node ${version} is too old`, `install Node ${OLDEST_NODE} or newer`)
  if (major % 2 === 1)
    return warn(
      check,
      `Node ${version} is of a line without long support`,
      'use an even major version, such as 22 or 24',
    )
  return ok(check, `Node ${version}`)
}

/** Whether DATA_DIR is there and can be written, and who else can. */
export async function checkDataDir(dataDir: string): Promise<Finding> {
  const check = 'data folder'
  const facts = await stat(dataDir).catch((error: NodeJS.ErrnoException) => error)
  if (facts instanceof Error) {
    if (facts.code !== 'ENOENT')
      return fail(check, `${dataDir} cannot be looked at (${facts.code})`, 'mend DATA_DIR')
    const parent = await nearestFolder(path.dirname(dataDir))
    return (await isWritable(parent))
      ? ok(check, `${dataDir} is not there yet; the first start makes it`)
      : fail(check, `${dataDir} cannot be made in ${parent}`, 'make it, for the user of the server')
  }
  if (!facts.isDirectory()) return fail(check, `${dataDir} is no folder`, 'mend DATA_DIR')
  if (await isForeign(dataDir))
    return warn(
      check,
      `${dataDir} belongs to user ${facts.uid}, and this is ${process.getuid?.()}`,
      `run it as the user of the server, to have the database and the storage looked at: sudo -u '#${facts.uid}' …`,
    )
  if (!(await isWritable(dataDir)))
    return fail(check, `${dataDir} cannot be written`, `let its owner: chmod u+rwx ${dataDir}`)
  if ((facts.mode & 0o002) !== 0)
    return warn(
      check,
      `${dataDir} can be written by every user of this machine`,
      `take that away: chmod o-w ${dataDir}`,
    )
  return ok(check, `${dataDir} can be written`)
}

/** Whether a server works in DATA_DIR now: with the embedded database there is only one. */
export async function checkLock(dataDir: string): Promise<{ finding: Finding; inUse: boolean }> {
  const check = 'lock'
  try {
    const hold = await holdDirectory(dataDir)
    await hold.release()
    return { finding: ok(check, 'no server is using DATA_DIR'), inUse: false }
  } catch (error) {
    const words = wordsOf(error)
    if (words.startsWith('Another Landfall'))
      return { finding: ok(check, 'a running server holds DATA_DIR'), inUse: true }
    return { finding: fail(check, words, 'see above'), inUse: false }
  }
}

/** Whether a reboot can be told from a restart: after one, lengths of files are not believed. */
export async function checkBoot(dataDir: string): Promise<Finding> {
  const check = 'boot id'
  const source = '/proc/sys/kernel/random/boot_id'
  const readable = await readFile(source, 'utf8').then(
    () => true,
    () => false,
  )
  if (!readable)
    return warn(
      check,
      'this system has no boot id',
      'nothing has to be done: every start reads unfinished uploads again, as after a reboot',
    )
  const { same } = await readBoot(dataDir)
  return ok(check, same ? 'no reboot since the last start' : 'no start since the last reboot')
}

/** Whether a folder is there and belongs to another user, such as when root looks at a service. */
export async function isForeign(folder: string): Promise<boolean> {
  const facts = await stat(folder).catch(() => null)
  return facts !== null && process.getuid !== undefined && facts.uid !== process.getuid()
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function nearestFolder(folder: string): Promise<string> {
  const facts = await stat(folder).catch(() => null)
  return facts !== null || folder === path.dirname(folder)
    ? folder
    : nearestFolder(path.dirname(folder))
}

import { statSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { Fault } from '../../src/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'

const ARRIVING = 0o700
const FINISHED = 0o600

/**
 * The disk as strict as an object store can be: no paths, no links, and not one byte of an object is
 * readable, not even to be joined to another, before it is finished. Which ones are is in the mode
 * of their files, so that it holds over any number of servers and their deaths, and tests that look
 * into the folder find what they expect there.
 */
export function opaqueStorage(disk: Storage): Storage {
  const { localPath, link: _link, ...rest } = disk
  // It is strict already.
  if (localPath === undefined) return disk

  /** Undefined where there is no such object, which the disk says in its own way. */
  const modeOf = (key: string) => statSync(localPath(key), { throwIfNoEntry: false })?.mode
  const isArriving = (key: string) => ((modeOf(key) ?? 0) & 0o777) === ARRIVING
  const isFinished = (key: string) => ((modeOf(key) ?? 0) & 0o777) === FINISHED
  const mark = (key: string, mode: number) =>
    chmod(localPath(key), mode).catch((cause: unknown) => {
      throw new Fault('not-found', { cause })
    })
  const refusal = () => new Fault('unavailable', { text: 'This object is not finished.' })

  return {
    ...rest,
    async create(key, plan) {
      await disk.create(key, plan)
      await mark(key, ARRIVING)
    },
    async append(key, offset, isOurs) {
      if (isFinished(key)) throw new Error('nothing is added to an object that is finished')
      const { syncEveryBytes: _every, ...appender } = await disk.append(key, offset, isOurs)
      return appender
    },
    read: (key, range) =>
      isArriving(key)
        ? new Readable({ construct: (done) => done(refusal()) })
        : disk.read(key, range),
    async readAt(key, start, length) {
      if (isArriving(key)) throw refusal()
      return disk.readAt(key, start, length)
    },
    async join(key, sources, isOurs) {
      if (sources.some(isArriving)) throw refusal()
      await disk.join(key, sources, isOurs)
    },
    async finalise(key, size, to = key) {
      await disk.finalise(key, size, to)
      await mark(to, FINISHED)
    },
  }
}

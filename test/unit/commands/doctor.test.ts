import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { clockFinding } from '../../../src/commands/doctor-finding.ts'
import { checkNode, OLDEST_NODE } from '../../../src/commands/doctor-machine.ts'
import { roomFindings } from '../../../src/commands/doctor-storage.ts'
import { root } from '../../support/source.ts'

describe('the version of Node', () => {
  it('is measured by the one in package.json', async () => {
    const { engines } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
    expect(`${engines.node}.0`).toBe(`>=${OLDEST_NODE}`)
  })

  it.each([
    ['18.20.4', 'fail'],
    ['20.18.9', 'fail'],
    ['20.19.0', 'ok'],
    ['21.7.0', 'warn'],
    ['22.0.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('%s is %s', (version, state) => {
    expect(checkNode(version).state).toBe(state)
  })
})

describe('a clock', () => {
  it.each([
    [0, 0, 'ok'],
    [1_900, 0, 'ok'],
    [2_100, 0, 'warn'],
    [-2_100, 0, 'warn'],
    [2_400, 500, 'ok'],
    [61_000, 0, 'fail'],
    [-61_000, 500, 'fail'],
  ])('that is %d ms off, told to %d ms, is %s', (ahead, sharp, state) => {
    expect(clockFinding('clock', 'the server', ahead, sharp).state).toBe(state)
  })

  it('is said to be ahead or behind', () => {
    expect(clockFinding('clock', 'the server', 61_000).text).toMatch(/61\.0 s ahead of/)
    expect(clockFinding('clock', 'the server', -61_000).text).toMatch(/61\.0 s behind/)
  })
})

describe('the room that is left', () => {
  const gib = 1024 ** 3
  const room = (free: number, all: number, inodes = { ffree: 1e6, files: 2e6 }) =>
    roomFindings({ bsize: 4096, bavail: free / 4096, blocks: all / 4096, ...inodes }, '/data')

  it.each([
    [50 * gib, 100 * gib, 'ok'],
    [4 * gib, 100 * gib, 'warn'],
    [gib / 2, 2 * gib, 'warn'],
    [gib / 16, 2 * gib, 'fail'],
  ])('%d of %d bytes is %s', (free, all, state) => {
    expect(room(free, all).map((finding) => finding.state)).toEqual([state])
  })

  it('counts names of files too, where the file system does', () => {
    const states = (inodes: { ffree: number; files: number }) =>
      room(50 * gib, 100 * gib, inodes).map(({ check, state }) => `${check} ${state}`)
    expect(states({ ffree: 500, files: 2e6 })).toEqual(['room ok', 'inodes warn'])
    expect(states({ ffree: 0, files: 0 })).toEqual(['room ok'])
  })
})

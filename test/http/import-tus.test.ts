import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createImportHome, type ImportHome } from '../support/import.ts'
import { blocksOf } from '../support/readme.ts'
import { ADMIN_KEY } from '../support/server.ts'

const run = promisify(execFile)
const page = 'docs/migrating-from-tusd.md'
const id = () => randomBytes(16).toString('hex')

let home: ImportHome
let folder: string
beforeEach(async () => {
  home = await createImportHome('postgres')
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-tusd-'))
})
afterEach(async () => {
  await home.remove()
  await rm(folder, { recursive: true })
})

/** What tusd 2 writes beside the bytes. */
const info = (ID: string, Size: number, more: object = {}) =>
  JSON.stringify({
    ID,
    Size,
    SizeIsDeferred: false,
    Offset: 0,
    MetaData: { filename: 'a "quoted", name.txt', filetype: 'text/plain' },
    IsPartial: false,
    IsFinal: false,
    PartialUploads: null,
    Storage: { InfoPath: `/srv/${ID}.info`, Path: `/srv/${ID}`, Type: 'filestore' },
    ...more,
  })

/** What @tus/file-store 2 writes. */
const json = (id: string, size: number, metadata?: object) =>
  JSON.stringify({ id, size, offset: 0, metadata, creation_date: '2026-01-02T03:04:05.678Z' })

const dashed = (id = '') => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

async function importAll() {
  const blocks = await blocksOf(page)
  const program = blocks.find(({ language }) => language === 'js')
  const script = path.join(folder, 'uploads-to-csv.mjs')
  await writeFile(script, program?.text ?? '')
  const { stdout } = await run(process.execPath, [script, home.media])
  const csv = path.join(folder, 'files.csv')
  await writeFile(csv, stdout)
  return { stdout, ...(await home.run([csv])) }
}

describe('the program of docs/migrating-from-tusd.md', () => {
  it('takes over what tusd and @tus/file-store have finished, under the ids it had', async () => {
    const [tusd, node] = [id(), id()]
    await home.put(tusd, 'hello')
    await home.put(`${tusd}.info`, info(tusd, 5))
    await home.put(node, 'world!')
    await home.put(`${node}.json`, json(node, 6, { filename: 'b.txt' }))

    const { code, sum, stderr } = await importAll()
    expect([code, stderr]).toEqual([0, ''])
    expect(sum.files).toMatchObject({ found: 2, imported: 2, failed: 0 })
    const landfall = await home.open()
    try {
      const { url } = await landfall.listen()
      const headers = { Authorization: `Token ${ADMIN_KEY}` }
      const answer = await fetch(`${url}/api/media/files?ordering=size`, { headers })
      const { results } = (await answer.json()) as { results: Record<string, unknown>[] }
      expect(results).toMatchObject([
        { name: 'a "quoted", name.txt', size: 5, type: 'text' },
        { name: 'b.txt', size: 6, created_at: expect.stringMatching(/^2026-01-02T03:04:05.678/) },
      ])
      for (const [kept, bytes] of [
        [tusd, 'hello'],
        [node, 'world!'],
      ]) {
        const at = `${url}/files/${dashed(kept)}`
        expect(await (await fetch(at, { headers })).text()).toBe(bytes)
        expect((await fetch(at)).status).toBe(401)
      }
    } finally {
      await landfall.close()
    }
  })

  it('leaves what is not finished, parts of joined uploads, and what is no upload', async () => {
    const [short, part, deferred, lost] = [id(), id(), id(), id()]
    await home.put(short, 'hel')
    await home.put(`${short}.info`, info(short, 5))
    await home.put(part, 'part')
    await home.put(`${part}.info`, info(part, 4, { IsPartial: true }))
    await home.put(deferred, '')
    await home.put(`${deferred}.info`, info(deferred, 0, { SizeIsDeferred: true }))
    await home.put(`${lost}.info`, info(lost, 5))
    await home.put('README.txt', 'mine')
    await home.put('own-name', 'kept')
    await home.put('own-name.json', json('own-name', 4))

    const { stdout, sum } = await importAll()
    expect(stdout.trim().split('\n').slice(1)).toEqual([
      expect.stringMatching(/^"","own-name","own-name",/),
    ])
    expect(sum.files).toMatchObject({ found: 1, imported: 1, failed: 0 })
  })
})

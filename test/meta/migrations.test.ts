import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { describe, expect, it } from 'vitest'
import * as tables from '../../src/db/schema.ts'
import * as counts from '../../src/db/schema-counts.ts'
import * as events from '../../src/db/schema-events.ts'
import * as s3 from '../../src/db/schema-s3.ts'
import { root } from '../support/source.ts'

/**
 * SHA-256 of every migration that a database may have had. One that is changed afterwards is not run
 * again there, and databases of the same version differ from then on: a change is a new migration,
 * with a new line here.
 */
const landed: Record<string, string> = {
  '0000_foundation': '8e9734e467941dadcfb2ad75774a1df3c8835c24a3383c743b09048967a03efd',
  '0001_replicas_and_s3': '10e3c8f1f38378347989b434e5576cda761bf0dc634f15d0a0bc88506def9af4',
  '0002_webhooks': 'b0cac5a650cec5e9878c0d9b4993a91083861b62ddaf7b2137f93e2e04565143',
  '0003_media_secrets': 'c605d101eec7425262d97a6e3cd17f56f51f0a76883a62e93e6d3b057a2ff3b5',
  '0004_media_list': '364e195b2573f11cbb987868fd768213df42e2805fc3940ae33a0c8f4a08a984',
}

const folder = path.join(root, 'drizzle')
const readJson = async (file: string) => JSON.parse(await readFile(path.join(folder, file), 'utf8'))

interface Journal {
  entries: { idx: number; when: number; tag: string }[]
}

describe('the migrations', () => {
  it('are those that have landed, unchanged', async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
    const found = await Promise.all(
      names.map(async (name) => {
        const text = await readFile(path.join(folder, name))
        return [path.parse(name).name, createHash('sha256').update(text).digest('hex')]
      }),
    )
    expect(Object.fromEntries(found)).toEqual(landed)
  })

  it('run in the order of their numbers, each once', async () => {
    const { entries }: Journal = await readJson('meta/_journal.json')
    expect(entries.map(({ tag }) => tag)).toEqual(Object.keys(landed))
    expect(entries.map(({ idx }) => idx)).toEqual(entries.map((_, index) => index))
    // A database runs what is younger than the youngest that it has had, and forgets about the rest.
    const times = entries.map(({ when }) => when)
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b))
  })

  it('make what src/db/schema*.ts say: nothing is left for `npm run db:generate`', async () => {
    const last = Object.keys(landed).length - 1
    const before = await readJson(`meta/${String(last).padStart(4, '0')}_snapshot.json`)
    const now = generateDrizzleJson({ ...tables, ...counts, ...events, ...s3 }, before.id)
    expect(await generateMigration(before, now)).toEqual([])
  })
})

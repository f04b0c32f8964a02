import { execFile, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'

const run = promisify(execFile)

let server: TestServer
let proxy: CuttableProxy
let directory: string

beforeAll(async () => {
  server = await startServer({ env: { RESUMABLE_HTTP_INTERIM: 'true' } })
  proxy = await startProxy()
  proxy.pointTo(server.url)
  directory = await mkdtemp(path.join(tmpdir(), 'landfall-client-'))
})
afterAll(async () => {
  await proxy.close()
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function named(name: string): Promise<{ size: number; f: string }[]> {
  const answer = await fetch(`${server.url}/api/media/files?limit=1000`, {
    headers: { Authorization: server.admin },
  })
  const { results } = (await answer.json()) as {
    results: { name: string; size: number; f: string }[]
  }
  return results.filter((record) => record.name === name)
}

async function expectOne(name: string, bytes: Uint8Array): Promise<void> {
  const found = await named(name)
  expect(found).toMatchObject([{ size: bytes.length }])
  const stored = new Uint8Array(await (await fetch(found[0]?.f ?? '')).arrayBuffer())
  expect(sha256(stored)).toBe(sha256(bytes))
}

interface Choices {
  protocol: string
  chunkSize?: number
  uploadDataDuringCreation?: boolean
  uploadLengthDeferred?: boolean
  onChunkComplete?: (size: number, accepted: number) => void
}

function upload(bytes: Buffer, name: string, choices: Choices): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const source = choices.uploadLengthDeferred
      ? Readable.from([bytes], { objectMode: false })
      : bytes
    const running = new Upload(source, {
      endpoint: `${proxy.url}/files/`,
      headers: { Authorization: server.admin },
      metadata: { filename: name },
      retryDelays: [0, 20, 50, 100, 200],
      chunkSize: Number.POSITIVE_INFINITY,
      ...choices,
      onError: reject,
      onSuccess: () => resolve(running.url),
    })
    running.start()
  })
}

describe.each(['ietf-draft-03', 'ietf-draft-05'])('tus-js-client as %s', (protocol) => {
  const bytes = randomBytes(300_000)

  it.each([
    ['no byte', 0, {}],
    ['one request', 300_000, {}],
    ['three parts', 300_000, { chunkSize: 120_000 }],
    ['data in the creation', 300_000, { uploadDataDuringCreation: true }],
    [
      'data in the creation and parts',
      300_000,
      { uploadDataDuringCreation: true, chunkSize: 100_000 },
    ],
    ['a stream of unknown length', 300_000, { uploadLengthDeferred: true, chunkSize: 120_000 }],
  ])('uploads %s', async (how, size, choices) => {
    const name = `${protocol} ${how}`
    const file = bytes.subarray(0, size)
    await upload(file, name, { protocol, ...choices })
    await expectOne(name, file)
  })

  it('goes on after the connection was cut', async () => {
    const name = `${protocol} cut`
    let cut = false
    await upload(bytes, name, {
      protocol,
      chunkSize: 100_000,
      onChunkComplete() {
        if (cut) return
        cut = true
        proxy.cut()
      },
    })
    expect(cut).toBe(true)
    await expectOne(name, bytes)
  })
})

const hasCurl = spawnSync('curl', ['--version']).status === 0

describe.runIf(hasCurl)('curl', () => {
  const file = randomBytes(4_000_000)
  const silent = ['--silent', '--show-error']
  const authorization = () => ['-H', `Authorization: ${server.admin}`]

  it('creates as interop 6 does, is cut, and resumes from the offset it is told', async () => {
    const line = await startProxy()
    line.pointTo(server.url)
    const whole = path.join(directory, 'whole')
    await writeFile(whole, file)
    const version = ['-H', 'Upload-Draft-Interop-Version: 6']
    const heads = path.join(directory, 'heads')
    const name = 'Content-Disposition: attachment; filename="by curl.bin"'
    // Without a slash at the end: behind one, curl writes the name of the file.
    const creation = run('curl', [
      ...silent,
      ...authorization(),
      ...version,
      ...['-H', 'Upload-Complete: ?1', '-H', name, '-H', 'Expect:', '--limit-rate', '2M'],
      ...['-X', 'POST', '-T', whole, '-D', heads, `${line.url}/files`],
    ]).then(
      () => 'answered',
      () => 'cut',
    )
    await line.passed(1_000_000)
    await line.close()
    expect(await creation).toBe('cut')
    const announced = await readFile(heads, 'utf8')
    const url = /^location: (\S+)/im.exec(announced)?.[1]?.replace(line.url, server.url) ?? ''
    expect(announced).toMatch(/^HTTP\/1.1 104 /)

    const head = await run('curl', [...silent, ...authorization(), ...version, '-I', url])
    const offset = Number(/^upload-offset: (\d+)/im.exec(head.stdout)?.[1])
    expect(offset).toBeGreaterThan(0)
    expect(offset).toBeLessThan(file.length)

    const rest = path.join(directory, 'rest')
    await writeFile(rest, file.subarray(offset))
    const last = await run('curl', [
      ...silent,
      ...authorization(),
      ...version,
      ...['-X', 'PATCH', '-H', 'Content-Type: application/partial-upload'],
      ...['-H', `Upload-Offset: ${offset}`, '-H', 'Upload-Complete: ?1'],
      ...['--data-binary', `@${rest}`, url],
    ])
    expect(JSON.parse(last.stdout)).toMatchObject({ name: 'by curl.bin', size: file.length })
    await expectOne('by curl.bin', file)
  })
})

describe('an upload begun with one version', () => {
  it('goes on with another, and is complete by the rules of either', async () => {
    const client = resumableClient(server.url, server.admin)
    const byLength = await client.make('hello', 11, { version: 6 })
    const last = await client.patch(byLength, 5, false, { version: 10, body: ' world' })
    expect([last.status, last.headers['upload-complete']]).toEqual([201, '?1'])
    const onWord = await client.make('hello', 11, { version: 10 })
    const ended = await client.patch(onWord, 5, false, { version: 6, body: ' world' })
    expect([ended.status, ended.headers['upload-complete']]).toEqual([201, '?1'])
  })
})

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as tus from 'tus-js-client'
import { afterEach, describe, expect, it } from 'vitest'
import { writeRandomFile } from '../support/big-file.ts'
import { databaseKinds } from '../support/database.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { ADMIN_KEY } from '../support/server.ts'

/** BIG_FILE_BYTES makes it as long as one likes; the figures of a GiB are in docs/reliability.md. */
const size = Number(process.env.BIG_FILE_BYTES ?? 96 * 1024 * 1024)
const file = path.join(tmpdir(), `landfall-big-${process.pid}.bin`)
const headers = { Authorization: `Token ${ADMIN_KEY}` }

let home: Home
let proxy: CuttableProxy
afterEach(async () => {
  await proxy.close()
  await home.remove()
  await rm(file, { force: true })
})

/** Peak resident memory of a process so far, in MiB, as the kernel counted it. */
async function peakMemoryMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

function upload(endpoint: string): { done: Promise<tus.Upload>; started: tus.Upload } {
  let settle: { resolve(upload: tus.Upload): void; reject(error: Error): void }
  const done = new Promise<tus.Upload>((resolve, reject) => {
    settle = { resolve, reject }
  })
  const started = new tus.Upload(createReadStream(file), {
    endpoint: `${endpoint}/files/`,
    headers,
    uploadSize: size,
    metadata: { filename: 'big.bin', filetype: 'application/octet-stream' },
    retryDelays: Array(60).fill(200),
    onError: (error) => settle.reject(error),
    onSuccess: () => settle.resolve(started),
  })
  started.start()
  return { done, started }
}

describe.each(databaseKinds)('a large file with the %s database', (kind) => {
  it('arrives whole through three cuts of the network and two kills of the server', {
    timeout: 600_000,
  }, async () => {
    home = await createHome(kind)
    proxy = await startProxy()
    const env = { PUBLIC_URL: proxy.url }
    const sha256 = await writeRandomFile(file, size)
    let server: ServerProcess = await home.start(env)
    proxy.pointTo(server.url)
    const idle = await peakMemoryMiB(server.pid)
    const peaks: number[] = []

    const { done } = upload(proxy.url)
    for (const [n, fraction] of [0.15, 0.3, 0.45, 0.6, 0.75].entries()) {
      await proxy.passed(size * fraction)
      if (n % 2 === 0) proxy.cut()
      else {
        peaks.push(await peakMemoryMiB(server.pid))
        server.kill('SIGKILL')
        await server.ended
        server = await home.start(env)
        proxy.pointTo(server.url)
      }
    }
    await done
    peaks.push(await peakMemoryMiB(server.pid))

    const answer = await fetch(`${proxy.url}/api/media/files`, { headers })
    const { count, results } = (await answer.json()) as {
      count: number
      results: { f: string; size: number; type: string; name: string }[]
    }
    expect(count).toBe(1)
    expect(results[0]).toMatchObject({ size, type: 'other', name: 'big.bin' })
    const hash = createHash('sha256')
    const stored = await fetch(results[0]?.f ?? '')
    for await (const chunk of stored.body ?? []) hash.update(chunk)
    expect(hash.digest('hex')).toBe(sha256)
    expect(await home.files()).toHaveLength(1)
    if (process.env.BIG_FILE_BYTES)
      process.stderr.write(`${kind}: RSS ${idle} MiB idle, at most ${peaks} MiB\n`)
    // Whatever the size of the file; what the server takes when idle depends on the Node. The
    // embedded database has a heap of its own that grows while it is made.
    if (kind === 'postgres') expect(Math.max(...peaks) - idle).toBeLessThan(100)
  })
})

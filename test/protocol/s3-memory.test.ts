import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { createBucket, hasS3, type TestBucket } from '../support/s3.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { BODY_TYPE, tusClient } from '../support/tus.ts'

const MIB = 1024 * 1024
const size = Number(process.env.BIG_FILE_BYTES ?? 200 * MIB)
/** Much less than two parts of one upload, and far less than what passes. */
const MOST_MIB = 60

async function memory(pid: number, line: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024
}

async function* content(bytes: number) {
  const chunk = Buffer.alloc(MIB, 'x')
  for (let at = 0; at < bytes; at += MIB) yield chunk.subarray(0, Math.min(MIB, bytes - at))
}

describe.skipIf(!hasS3)('a large file on S3', () => {
  let home: Home
  let bucket: TestBucket
  let server: ServerProcess

  beforeAll(async () => {
    home = await createHome('postgres')
    bucket = await createBucket()
    server = await home.start(bucket.env)
  })
  afterAll(async () => {
    await home.remove()
    bucket.client.destroy()
  })

  it(`takes less than ${MOST_MIB} MiB of memory on its way through`, async () => {
    const authorization = `Token ${ADMIN_KEY}`
    const tus = tusClient(server.url, authorization)
    const send = async (bytes: number) => {
      const answer = await fetch(await tus.begin(bytes), {
        method: 'PATCH',
        headers: {
          'Tus-Resumable': '1.0.0',
          'Upload-Offset': '0',
          'Content-Type': BODY_TYPE,
          Authorization: authorization,
        },
        body: Readable.toWeb(Readable.from(content(bytes))) as ReadableStream,
        duplex: 'half',
      })
      expect(answer.status).toBe(204)
    }
    // What it takes to have uploaded anything at all.
    await send(20 * MIB)
    const before = await memory(server.pid, 'VmHWM')
    const began = performance.now()
    await send(size)
    const taken = (await memory(server.pid, 'VmHWM')) - before
    const rate = size / MIB / ((performance.now() - began) / 1000)
    process.stderr.write(
      `s3: ${size / MIB} MiB at ${rate.toFixed(0)} MiB/s: ${before.toFixed(0)} MiB before, ${taken.toFixed(0)} more\n`,
    )
    expect(taken).toBeLessThan(MOST_MIB)
  })
})

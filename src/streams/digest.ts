import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'

/**
 * The thread's program: hashes the chunks it is sent with every algorithm, `null` ends it. It is
 * text so that it runs alike from src/, where Node 20 could not load TypeScript into a thread, and
 * from dist/.
 */
const PROGRAM = `
const { createHash } = require('node:crypto')
const { parentPort, workerData } = require('node:worker_threads')
const hashes = workerData.map((algorithm) => createHash(algorithm))
parentPort.on('message', (chunk) => {
  if (chunk === null) return parentPort.postMessage(hashes.map((hash) => hash.digest('hex')))
  for (const hash of hashes) hash.update(chunk)
  parentPort.postMessage('more')
})
`

/**
 * Computes digests of a stream in a worker thread. The buffers are handed over, not copied, one at
 * a time, so that the event loop does nothing but pass them on.
 *
 * @param algorithms names of node:crypto, such as `sha256` and `md5`.
 * @returns lower-case hex, in the order of the algorithms.
 */
export async function digestStream(
  stream: Readable,
  algorithms: readonly string[],
): Promise<string[]> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: algorithms })
  try {
    for await (const chunk of stream) {
      const bytes = chunk as Buffer
      const owned = bytes.byteLength === bytes.buffer.byteLength
      worker.postMessage(bytes, owned ? [bytes.buffer as ArrayBuffer] : [])
      await once(worker, 'message')
    }
    worker.postMessage(null)
    const [digests] = await once(worker, 'message')
    return digests as string[]
  } finally {
    stream.destroy()
    await worker.terminate()
  }
}

/** Whether a stream has all the digests of a list such as `sha256:9f86… md5:098f…`. */
export async function matchesDigests(stream: Readable, expected: string): Promise<boolean> {
  const pairs = expected.split(' ').map((pair) => pair.split(':') as [string, string])
  const found = await digestStream(
    stream,
    pairs.map(([algorithm]) => algorithm),
  )
  return pairs.every(([, hex], index) => hex.toLowerCase() === found[index])
}

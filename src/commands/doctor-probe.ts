import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

/** Of the upload that is begun to see its first half arrive. */
export const PROBE_BYTES = 2000
const FIRST_BYTES = 1000

/** A PATCH whose body is announced and not sent to its end. */
function beginPatch(
  upload: string,
  headers: Record<string, string>,
  length: number,
): { request: ClientRequest; answered: Promise<IncomingMessage | null> } {
  const send = upload.startsWith('https:') ? httpsRequest : httpRequest
  const request = send(upload, {
    method: 'PATCH',
    headers: {
      ...headers,
      'Upload-Offset': '0',
      'Content-Type': 'application/offset+octet-stream',
      'Content-Length': String(length),
    },
  })
  const answered = new Promise<IncomingMessage | null>((resolve) => {
    request.once('response', (answer) => {
      answer.resume()
      resolve(answer)
    })
    request.once('error', () => resolve(null))
  })
  request.write(Buffer.alloc(Math.min(FIRST_BYTES, length)))
  return { request, answered }
}

/**
 * Whether the first bytes of a body are at the server before its end was sent. It is asked by HEAD,
 * which makes the server store what it has of the body.
 */
export async function arrivesBeforeItEnds(
  upload: string,
  headers: Record<string, string>,
  withinMs: number,
): Promise<boolean> {
  const { request } = beginPatch(upload, headers, PROBE_BYTES)
  try {
    for (const until = performance.now() + withinMs; performance.now() < until; ) {
      await delay(200)
      const answer = await fetch(upload, { method: 'HEAD', headers }).catch(() => null)
      if (Number(answer?.headers.get('upload-offset') ?? 0) > 0) return true
    }
    return false
  } finally {
    request.destroy()
  }
}

/** Whether a body of this length is refused (413) by whoever reads its headers first. */
export async function refusesLength(
  upload: string,
  headers: Record<string, string>,
  length: number,
  withinMs: number,
): Promise<boolean> {
  const { request, answered } = beginPatch(upload, headers, length)
  try {
    const answer = await Promise.race([answered, delay(withinMs, null)])
    return answer?.statusCode === 413
  } finally {
    request.destroy()
  }
}

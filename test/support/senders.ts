import { createHash } from 'node:crypto'
import { contentOf, type Random } from './content.ts'
import type { Answer } from './exchange.ts'
import { type Attempt, type Client, expectStatus, showDone, showOffset } from './ledger.ts'
import { PARTIAL } from './resumable-http.ts'
import { BODY_TYPE, encode, TUS } from './tus.ts'

/** One file, or one set of files, on its way through a door. */
export interface Sender {
  /** The next request of its protocol. True when there is nothing left to do. */
  step(): Promise<boolean>
  /**
   * The last request has failed, `answered` or with its connection: from here on as the protocol
   * allows, by asking where it stands or by beginning again.
   */
  failed(answered: boolean): void
  /** The server has refused the file for good. */
  refused(): void
}

export interface SenderOptions {
  client: Client
  random: Random
  /** Bytes of the largest file. */
  largest: number
}

const headerOffset = ({ headers }: Answer) => Number(headers['upload-offset'] ?? Number.NaN)
const pathOf = (url = '') => new URL(url, 'http://x').pathname

/** How much of a file goes into the next request. */
function nextPiece({ random }: SenderOptions, { size }: Attempt, offset: number): number {
  const rest = size - offset
  return random.chance(0.4) ? rest : Math.min(rest, random.between(1, Math.ceil(size / 2)))
}

export interface TusStyle {
  /** The first bytes come with the creation. */
  withUpload?: boolean
  /** Every body has a checksum: all of it or nothing. */
  checksum?: boolean
  /** Some uploads are removed on their way. */
  removes?: boolean
}

/** tus 1.0: POST, PATCH, and HEAD after every loss. */
export function tusSender(options: SenderOptions, door: string, style: TusStyle = {}): Sender {
  const { client, random, largest } = options
  const begin = () => client.ledger.attempt(door, random.between(1, largest))
  let attempt = begin()
  let path: string | undefined
  /** Undefined while nobody can tell where the upload stands. */
  let offset: number | undefined = 0
  let among: number[] | undefined
  let removing = false

  const fileOf = (start: number, length: number) => ({ attempt, start, length })
  function bodyHeaders(start: number, length: number): Record<string, string> {
    const headers = { 'Content-Type': BODY_TYPE }
    if (!style.checksum) return headers
    const sha1 = createHash('sha1')
      .update(contentOf(attempt.seed, start, length))
      .digest('base64')
    return { ...headers, 'Upload-Checksum': `sha1 ${sha1}` }
  }

  async function create(): Promise<void> {
    const length = style.withUpload ? nextPiece(options, attempt, 0) : 0
    const answer = await client.ask({
      method: 'POST',
      to: '/files/',
      headers: {
        ...TUS,
        'Upload-Length': String(attempt.size),
        'Upload-Metadata': encode({ filename: attempt.name }),
        ...(length > 0 ? bodyHeaders(0, length) : {}),
      },
      ...(length > 0 ? { file: fileOf(0, length) } : {}),
    })
    expectStatus(answer, 201)
    path = pathOf(answer.headers.location)
    stand(length > 0 ? headerOffset(answer) : 0)
  }

  async function look(): Promise<void> {
    const answer = await client.ask({ method: 'HEAD', to: path ?? '', headers: TUS })
    if (removing && answer.status === 410) {
      attempt.state = 'removed'
      return
    }
    expectStatus(answer, 200)
    stand(headerOffset(answer))
    if (offset === attempt.size && answer.headers['landfall-media-file'] === undefined)
      throw new Error(`${attempt.name} is whole and has no record`)
  }

  function stand(at: number): void {
    showOffset(attempt, at, among)
    among = undefined
    offset = at
    if (at === attempt.size) showDone(attempt)
  }

  async function patch(start: number): Promise<void> {
    const length = nextPiece(options, attempt, start)
    if (style.checksum) among = [start, start + length]
    const answer = await client.ask({
      method: 'PATCH',
      to: path ?? '',
      headers: { ...TUS, 'Upload-Offset': String(start), ...bodyHeaders(start, length) },
      file: fileOf(start, length),
    })
    expectStatus(answer, 204)
    stand(headerOffset(answer))
  }

  async function remove(): Promise<void> {
    removing = true
    const answer = await client.ask({ method: 'DELETE', to: path ?? '', headers: TUS })
    expectStatus(answer, 204)
    attempt.state = 'removed'
  }

  return {
    async step() {
      if (path === undefined) await create()
      else if (offset === undefined) await look()
      else if (removing || (style.removes && offset > 0 && random.chance(0.2))) await remove()
      else await patch(offset)
      return attempt.state !== 'running'
    },
    failed(answered) {
      offset = undefined
      if (path !== undefined) return
      // Nobody was told where it is; another one is begun, under a name of its own.
      attempt.state = 'given-up'
      if (answered) among = undefined
      attempt = begin()
      offset = 0
    },
    refused() {
      attempt.state = 'refused'
    },
  }
}

/** The IETF draft: POST, PATCH with Upload-Complete, and HEAD after every loss. */
export function resumableSender(options: SenderOptions, door: string): Sender {
  const { client, random, largest } = options
  const begin = () => client.ledger.attempt(door, random.between(1, largest))
  const version = { 'Upload-Draft-Interop-Version': '10' }
  let attempt = begin()
  let path: string | undefined
  let offset: number | undefined = 0
  let among: number[] | undefined

  function stand(at: number, complete: string | undefined): void {
    showOffset(attempt, at, among)
    among = undefined
    offset = at
    if (complete === '?1') showDone(attempt)
  }

  async function put(start: number): Promise<Answer> {
    const length = nextPiece(options, attempt, start)
    const last = start + length === attempt.size
    const digest = random.chance(0.3) && length > 0
    if (digest) among = [start, start + length]
    const sha256 = () =>
      createHash('sha256')
        .update(contentOf(attempt.seed, start, length))
        .digest('base64')
    const creates = path === undefined
    return client.ask({
      method: creates ? 'POST' : 'PATCH',
      to: path ?? '/files/',
      headers: {
        ...version,
        'Upload-Complete': last ? '?1' : '?0',
        ...(digest ? { 'Content-Digest': `sha-256=:${sha256()}:` } : {}),
        ...(creates
          ? {
              'Upload-Length': String(attempt.size),
              'Content-Disposition': `attachment; filename="${attempt.name}"`,
            }
          : { 'Content-Type': PARTIAL, 'Upload-Offset': String(start) }),
      },
      file: { attempt, start, length },
      onInterim(headers) {
        if (headers.location !== undefined) path = pathOf(headers.location)
        if (headers['upload-offset'] !== undefined)
          showOffset(attempt, Number(headers['upload-offset']))
      },
    })
  }

  return {
    async step() {
      if (path !== undefined && offset === undefined) {
        const answer = await client.ask({ method: 'HEAD', to: path, headers: version })
        expectStatus(answer, 204)
        stand(headerOffset(answer), answer.headers['upload-complete'])
      } else {
        const answer = await put(offset ?? 0)
        expectStatus(answer, 201, 204)
        if (path === undefined) path = pathOf(answer.headers.location)
        stand(headerOffset(answer), answer.headers['upload-complete'])
      }
      return attempt.state !== 'running'
    },
    failed() {
      offset = undefined
      if (path !== undefined) return
      attempt.state = 'given-up'
      among = undefined
      attempt = begin()
      offset = 0
    },
    refused() {
      attempt.state = 'refused'
    },
  }
}

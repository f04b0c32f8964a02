import { randomBytes } from 'node:crypto'
import { CHUNKED, type ChunkedUpload } from './chunked.ts'
import type { Answer } from './exchange.ts'
import { type Attempt, digestOf, expectStatus, showDone, showOffset } from './ledger.ts'
import { field, file, form, formPath, formType } from './multipart.ts'
import type { Sender, SenderOptions } from './senders.ts'

const typed = { 'Content-Type': formType }

/** A form whose only file is a piece of an upload, cut open where the piece belongs. */
function formAround(
  name: string,
  attempt: Attempt,
  fields: Record<string, string>,
): { before: Buffer; after: Buffer } {
  const mark = randomBytes(24).toString('hex')
  const parts = Object.entries(fields).map(([key, value]) => field(key, value))
  const whole = form(...parts, file(attempt.name, mark, { name }))
  const at = whole.indexOf(mark)
  return { before: whole.subarray(0, at), after: whole.subarray(at + mark.length) }
}

/** What is sent whole is inspected by the server that has just got it, and by no other. */
function neverRefused(): never {
  throw new Error('a file that nobody has inspected before was refused')
}

/** drf-chunked-upload: PUT with Content-Range, GET after a loss, POST with the digest. */
export function chunkedSender({ client, random, largest }: SenderOptions, door: string): Sender {
  const begin = () => client.ledger.attempt(door, random.between(1, largest))
  let attempt = begin()
  let id: string | undefined
  let offset: number | undefined = 0
  let among: number[] | undefined

  function stand(answer: Answer): void {
    expectStatus(answer, 200)
    const shown = JSON.parse(answer.text) as ChunkedUpload
    id = shown.id
    showOffset(attempt, shown.offset, among)
    among = undefined
    offset = shown.offset
    if (shown.status === 2) showDone(attempt)
  }

  function put(start: number): Promise<Answer> {
    const { size, name } = attempt
    const length = Math.min(size - start, random.between(1, Math.ceil(size / 2)))
    // "A request … is all or nothing": a chunk that is not whole did not come.
    among = [start, start + length]
    return client.ask({
      method: 'PUT',
      to: id === undefined ? `${CHUNKED}/` : `${CHUNKED}/${id}`,
      headers: { ...typed, 'Content-Range': `bytes ${start}-${start + length - 1}/${size}` },
      file: { attempt, start, length, ...formAround('file', attempt, { filename: name }) },
    })
  }

  function complete(): Promise<Answer> {
    const plain = form(field('md5', digestOf(attempt, 'md5')))
    return client.ask({ method: 'POST', to: `${CHUNKED}/${id}`, headers: typed, plain })
  }

  return {
    async step() {
      if (offset === undefined) stand(await client.ask({ method: 'GET', to: `${CHUNKED}/${id}` }))
      else if (offset === attempt.size) stand(await complete())
      else stand(await put(offset))
      return attempt.state !== 'running'
    },
    failed() {
      offset = undefined
      if (id !== undefined) return
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

/** A whole file in one form, which cannot be resumed: to the media API, or to the chunked door. */
export function formSender(
  { client, random, largest }: SenderOptions,
  door: string,
  kind: 'media' | 'chunked',
): Sender {
  const begin = () => client.ledger.attempt(door, random.between(1, largest))
  let attempt = begin()
  return {
    async step() {
      const { size } = attempt
      const around =
        kind === 'media'
          ? formAround('f', attempt, { description: 'faults' })
          : formAround('file', attempt, { md5: digestOf(attempt, 'md5') })
      const answer = await client.ask({
        method: 'POST',
        to: kind === 'media' ? formPath : `${CHUNKED}/`,
        headers: typed,
        file: { attempt, start: 0, length: size, ...around },
      })
      expectStatus(answer, kind === 'media' ? 201 : 200)
      showDone(attempt)
      return true
    },
    failed() {
      attempt.state = 'given-up'
      attempt = begin()
    },
    refused: neverRefused,
  }
}

/** A session: two files added by name, then submitted. What was lost is looked for in its list. */
export function sessionSender({ client, random, largest }: SenderOptions, door: string): Sender {
  let token: string | undefined
  const files = Array.from({ length: 2 }, () =>
    client.ledger.attempt(door, random.between(1, largest)),
  )
  /** `unsure`: its form was not answered. */
  let unsure = false
  let cleared = false
  const base = () => `/upload-session/${token}`
  const added = ({ acknowledged, size }: Attempt) => acknowledged === size

  async function open(): Promise<void> {
    const answer = await client.ask({ method: 'POST', to: '/upload-session/' })
    expectStatus(answer, 201)
    token = JSON.parse(answer.text).uploadSessionToken as string
  }

  async function look(attempt: Attempt): Promise<void> {
    const answer = await client.ask({ method: 'GET', to: `${base()}/files/` })
    expectStatus(answer, 200)
    const listed = JSON.parse(answer.text).files as { name: string; size: number }[]
    const found = listed.find(({ name }) => name === attempt.name)
    unsure = false
    cleared = false
    if (found) showOffset(attempt, found.size, [attempt.size])
  }

  /** What a crash left of it would keep its name from the next try. */
  async function clear({ name }: Attempt): Promise<void> {
    const answer = await client.ask({ method: 'DELETE', to: `${base()}/files/${name}/` })
    expectStatus(answer, 204, 404)
    cleared = true
  }

  async function add(attempt: Attempt): Promise<void> {
    unsure = true
    const answer = await client.ask({
      method: 'POST',
      to: `${base()}/files/`,
      headers: typed,
      file: { attempt, start: 0, length: attempt.size, ...formAround('file', attempt, {}) },
    })
    expectStatus(answer, 200)
    unsure = false
    attempt.acknowledged = attempt.size
  }

  return {
    async step() {
      const next = files.find((attempt) => !added(attempt))
      if (token === undefined) await open()
      else if (next === undefined) {
        expectStatus(await client.ask({ method: 'POST', to: `${base()}/submit` }), 200)
        for (const attempt of files) showDone(attempt)
        return true
      } else if (unsure) await look(next)
      else if (!cleared) await clear(next)
      else await add(next)
      return false
    },
    failed() {
      cleared = false
    },
    refused: neverRefused,
  }
}

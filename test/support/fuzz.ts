import { fuzzTemplates } from './fuzz-templates.ts'
import { formType } from './multipart.ts'

export interface Fuzzed {
  /** What goes over the connection, byte for byte. */
  bytes: Buffer
  /** How the client goes on: it waits for an answer, ends its side, or breaks off. */
  ending: 'wait' | 'end' | 'reset'
}

/** Names of the ids that templates use, each with the ids there are. */
export type Ids = Record<string, readonly string[]>

const METHODS = 'GET HEAD POST PUT PATCH DELETE OPTIONS TRACE LOCK QUERY X'.split(' ')

/** Values that somebody once forgot to think of. */
const VALUES = [
  ...`0 -1 +5 5 5.0 1e3 0x10 9007199254740992 18446744073709551616 NaN null true ?1 ?0 ?2`.split(
    ' ',
  ),
  ...'* " \' \\ % %00 %2e%2e%2f .. / // ; , = {} [] __proto__ constructor é \xff \0'.split(' '),
  ...'bytes=0- bytes=-1 bytes=5-1 partial final; final;/files/x 1.0.0 8 evil.example PATCH'.split(
    ' ',
  ),
  ...'chunked gzip close keep-alive 100-continue trailers h2c text/plain application/json'.split(
    ' ',
  ),
  ...'application/offset+octet-stream application/partial-upload multipart/form-data'.split(' '),
  ...[
    '',
    ' ',
    '\t',
    ', ,',
    'bytes 0-4/5',
    'bytes */5',
    'sha1 YQ==',
    'crc32 AAAA',
    'sha-256=:YQ==:',
  ],
  ...['filename YQ==', 'a !', formType, 'multipart/form-data; boundary=""'],
  ...['a'.repeat(300), 'x'.repeat(5_000)],
]

const HEADERS = [
  ...'Host Content-Length Content-Type Transfer-Encoding Connection Expect Upgrade TE'.split(' '),
  ...'Trailer Range If-Range If-Match If-None-Match If-Modified-Since Content-Range'.split(' '),
  ...'Content-Disposition Content-Digest Repr-Digest Want-Repr-Digest Upload-Offset'.split(' '),
  ...'Upload-Length Upload-Defer-Length Upload-Metadata Upload-Concat Upload-Checksum'.split(' '),
  ...'Upload-Complete Upload-Incomplete Upload-Draft-Interop-Version Tus-Resumable'.split(' '),
  ...'X-HTTP-Method-Override X-Forwarded-For X-Forwarded-Proto Forwarded Origin Cookie'.split(' '),
  ...'Access-Control-Request-Method X-Request-Id X-Accel-Redirect Authorization'.split(' '),
]

/** Numbers from a seed, the same on every machine (mulberry32). */
export function createRandom(seed: number) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  return {
    below,
    chance: (part: number) => next() < part,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    bytes: (length: number) => Buffer.from(Array.from({ length }, () => below(256))),
  }
}

type Random = ReturnType<typeof createRandom>

/** One connection's worth: a request that was well-formed once, two or three of them, or noise. */
export function fuzz(random: Random, ids: Ids, tokens: readonly string[]): Fuzzed {
  if (random.chance(0.02)) return { bytes: random.bytes(random.below(400)), ending: 'end' }
  const count = random.chance(0.15) ? 2 + random.below(2) : 1
  const parts = Array.from({ length: count }, () => oneRequest(random, ids, tokens))
  let bytes: Buffer = Buffer.concat(parts)
  if (random.chance(0.03)) bytes = flip(random, bytes)
  if (random.chance(0.04)) bytes = Buffer.concat([bytes, random.bytes(random.below(60))])
  if (random.chance(0.1)) {
    return {
      bytes: bytes.subarray(0, random.below(bytes.length)),
      ending: random.pick(['end', 'reset']),
    }
  }
  return { bytes, ending: random.chance(0.9) ? 'wait' : random.pick(['end', 'reset']) }
}

function oneRequest(random: Random, ids: Ids, tokens: readonly string[]): Buffer {
  const { method, target, headers, body } = random.pick(fuzzTemplates)
  const fill = (text: string) =>
    text.replace(/\{(\w+)\}/g, (all, name: string) => (ids[name] ? random.pick(ids[name]) : all))
  let verb = method
  let to = fill(target)
  let content: Buffer = body.includes('{chunked}') ? Buffer.from(fill(body.toString())) : body
  const lines = ['Host: test', ...headers.map(fill)]
  if (!random.chance(0.05)) lines.push(`Authorization: ${random.pick(tokens)}`)
  const mutations = random.pick([0, 1, 1, 1, 2, 3])
  for (let n = 0; n < mutations; n += 1) {
    const kind = random.below(10)
    if (kind === 0) verb = random.pick(METHODS)
    else if (kind === 1) to = mutatePath(random, to)
    else if (kind === 2) content = mutateBody(random, content)
    else mutateHeader(random, lines)
  }
  const framed = frame(random, content, method)
  const version = random.chance(0.03) ? random.pick(['1.0', '1.2', '2.0', 'x']) : '1.1'
  const head = [`${verb} ${to} HTTP/${version}`, ...lines, ...framed.headers]
  const end = random.chance(0.02) ? '\n' : '\r\n'
  return Buffer.concat([Buffer.from(`${head.join(end)}${end}${end}`, 'latin1'), framed.body])
}

function mutatePath(random: Random, to: string): string {
  const value = random.pick(VALUES).replace(/[\s\0]/g, '%00')
  switch (random.below(5)) {
    case 0:
      return to + value
    case 1:
      return `${to}/${value}`
    case 2:
      return `${to}?${value}=${value}&limit=${value}&offset=${value}&width=${value}`
    case 3:
      return to.slice(0, random.below(to.length)) + value
    default:
      return to.replace(/[^/?]+$/, value)
  }
}

function mutateHeader(random: Random, lines: string[]): void {
  // Host stands first and Authorization last: without them little else is looked at.
  const inside = lines.length > 2 && random.chance(0.9)
  const at = inside ? 1 + random.below(lines.length - 2) : random.below(lines.length)
  const line = lines[at] ?? ''
  const name = line.slice(0, Math.max(0, line.indexOf(':')))
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1)
      return
    case 1:
      lines.push(line)
      return
    case 2:
      lines[at] = `${name}: ${random.pick(VALUES)}`
      return
    case 3:
      lines[at] = line.toUpperCase()
      return
    case 4:
      lines[at] = flip(random, Buffer.from(line, 'latin1')).toString('latin1')
      return
    default:
      lines.push(`${random.pick(HEADERS)}: ${random.pick(VALUES)}`)
  }
}

function mutateBody(random: Random, body: Buffer): Buffer {
  switch (random.below(5)) {
    case 0:
      return body.subarray(0, random.below(body.length + 1))
    case 1:
      return flip(random, body)
    case 2:
      return Buffer.concat([body, body])
    case 3:
      return random.bytes(random.below(2_000))
    default:
      return Buffer.from(random.pick(VALUES), 'latin1')
  }
}

/** The body as it was announced, nearly always. */
function frame(random: Random, body: Buffer, method: string): { headers: string[]; body: Buffer } {
  if (body.length === 0 && (method === 'GET' || method === 'HEAD')) return { headers: [], body }
  if (random.chance(0.2)) {
    const size = random.chance(0.9) ? body.length.toString(16) : random.pick(VALUES)
    const chunk = body.length === 0 ? '' : `${size}\r\n${body.toString('latin1')}\r\n`
    const last = random.chance(0.9) ? '0\r\n\r\n' : '0\r\nUpload-Checksum: sha1 YQ==\r\n\r\n'
    return { headers: ['Transfer-Encoding: chunked'], body: Buffer.from(chunk + last, 'latin1') }
  }
  const wrong = random.chance(0.04) ? random.below(20) - 10 : 0
  return { headers: [`Content-Length: ${Math.max(0, body.length + wrong)}`], body }
}

function flip(random: Random, bytes: Buffer): Buffer {
  const flipped = Buffer.from(bytes)
  for (let n = 0; n <= random.below(4) && flipped.length > 0; n += 1)
    flipped[random.below(flipped.length)] = random.below(256)
  return flipped
}

import { createClient, LandfallError } from '../client/client.ts'
import { formatSize } from '../wire/size.ts'
import { type Address, uploadAt } from './connect.ts'
import { clockFinding, type Finding, fail, ok, warn } from './doctor-finding.ts'
import { arrivesBeforeItEnds, PROBE_BYTES, refusesLength } from './doctor-probe.ts'

const GIB = 1024 ** 3
const TUS = { 'Tus-Resumable': '1.0.0' }
/** What the largest limit of a proxy is looked for with, in bytes. */
const SIZES = [5 * GIB, GIB, 100 * 1024 ** 2, 10 * 1024 ** 2, 1024 ** 2 + 1]
/** A host that no server has (RFC 2606 §2). */
const INVENTED = 'doctor.invalid'

/** Milliseconds for which something is waited for that a proxy may hold back. */
export interface Patience {
  /** For bytes to come to the server, or events from it. Default 5,000. */
  arriveMs?: number
  /** For a refusal that needs no body. Default 1,500. */
  refusalMs?: number
}

/**
 * Looks at a running server as its clients see it, with every proxy between. What it begins it takes
 * away again. Without a token only what is open to everybody.
 */
export async function checkServer(
  address: Address,
  { arriveMs = 5_000, refusalMs = 1_500 }: Patience = {},
): Promise<Finding[]> {
  const ready = await checkReady(address)
  if (ready.some(({ state }) => state === 'fail')) return ready
  const findings = [...ready, ...(await checkOrigin(address))]
  if (address.token === null) {
    const mend = 'set LANDFALL_TOKEN to have uploads and events tried through the proxy too'
    return [...findings, warn('server token', 'none was given', mend)]
  }
  const token = await checkToken(address)
  if (token.state === 'fail') return [...findings, token]
  return [
    ...findings,
    token,
    await checkRequestBuffering(address, arriveMs),
    await checkBodyLimit(address, refusalMs),
    await checkAnswerBuffering(address, arriveMs),
  ]
}

async function checkReady({ url }: Address): Promise<Finding[]> {
  const check = 'server'
  const before = Date.now()
  let answer: Response
  try {
    answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(10_000) })
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string }
    const why = code ?? (error as Error).name
    return [fail(check, `${url} does not answer (${why})`, 'start it, or mend LANDFALL_URL')]
  }
  const took = Date.now() - before
  const text = await answer.text().catch(() => '')
  const away = /"unavailable":\[(.*?)\]/.exec(text)?.[1]
  if (away !== undefined)
    return [fail(check, `${url} is up, and does without: ${away}`, 'see the checks of those above')]
  if (!answer.ok || !text.includes('"status":"ok"'))
    return [
      fail(check, `${url} answered ${answer.status}, and not as a Landfall`, 'mend LANDFALL_URL'),
    ]
  const date = Date.parse(answer.headers.get('date') ?? '')
  const clock = Number.isNaN(date)
    ? []
    : // A Date has whole seconds, rounded down.
      [clockFinding('server clock', 'the server', date + 500 - (before + took / 2), took / 2 + 500)]
  return [ok(check, `${url} answers in ${took} ms`), ...clock]
}

/** Which name the server gives itself in the URLs that it hands out. */
async function checkOrigin({ url }: Address): Promise<Finding[]> {
  const check = 'proxy headers'
  const asked = new URL(url).origin
  const named = await originNamed(url, {})
  if (named === null)
    return [warn(check, 'there is no /openapi.json to see its URLs in', 'pass every path on')]
  const findings = [originFinding(check, asked, named)]
  const claimed = await originNamed(url, {
    'X-Forwarded-Host': INVENTED,
    Forwarded: `host=${INVENTED}`,
  })
  if (claimed?.includes(INVENTED))
    findings.push(
      warn(
        check,
        'X-Forwarded-Host, or Forwarded, is believed from anybody who sends one',
        'have the proxy set these headers itself, and clients reach the server only through it; ' +
          'or set TRUST_PROXY=false',
      ),
    )
  return findings
}

function originFinding(check: string, asked: string, named: string): Finding {
  if (named === asked) return ok(check, `URLs in answers begin with ${named}`)
  const mend = `set PUBLIC_URL=${asked}, or TRUST_PROXY=true where the proxy sets X-Forwarded-Proto and -Host`
  const text = `asked as ${asked}, it calls itself ${named}`
  const [from, to] = [new URL(asked), new URL(named)]
  // A page over HTTPS may not go on to a URL without it: uploads end after their creation.
  const downgraded = from.protocol === 'https:' && to.protocol === 'http:'
  if (downgraded || from.hostname === to.hostname) return fail(check, text, mend)
  return warn(check, text, `fine where ${named} is what clients use; else ${mend}`)
}

async function originNamed(url: string, headers: Record<string, string>): Promise<string | null> {
  try {
    const answer = await fetch(`${url}/openapi.json`, {
      headers,
      signal: AbortSignal.timeout(10_000),
    })
    const { servers } = (await answer.json()) as { servers: { url: string }[] }
    return new URL(servers[0]?.url ?? '').origin
  } catch {
    return null
  }
}

async function checkToken({ url, token }: Address): Promise<Finding> {
  const check = 'server token'
  try {
    const { username, role } = await createClient({ url, token }).me()
    return ok(check, `it is that of ${username} (${role})`)
  } catch (error) {
    const words = error instanceof LandfallError ? error.message : String(error)
    return fail(check, words, 'make one with `landfall tokens add`, and set LANDFALL_TOKEN')
  }
}

/** Whether bytes reach the server while a body is still being sent. */
async function checkRequestBuffering(address: Address, withinMs: number): Promise<Finding> {
  const check = 'request buffering'
  const mend =
    'switch request buffering off in the proxy (nginx: proxy_request_buffering off): until then an ' +
    'upload that is cut begins from zero'
  return withUpload(address, PROBE_BYTES, check, async (upload) => {
    const arrives = await arrivesBeforeItEnds(upload, headersOf(address), withinMs)
    return arrives
      ? ok(check, 'a body reaches the server while it is being sent')
      : warn(check, 'a body reaches the server only when it has ended', mend)
  })
}

/** Whether something before the server takes no large bodies. */
async function checkBodyLimit(address: Address, withinMs: number): Promise<Finding> {
  const check = 'size of requests'
  const most = await largestUpload(address)
  let refused: number | null = null
  for (const size of SIZES) {
    if (size > most) continue
    const finding = await withUpload(address, size, check, async (upload) =>
      (await refusesLength(upload, headersOf(address), size, withinMs))
        ? fail(check, '', '')
        : ok(check, `bodies of ${formatSize(size)} are let through`),
    )
    if (finding.state === 'warn') continue
    if (finding.state === 'ok' && refused === null) return finding
    if (finding.state === 'ok') return limited(check, refused, size)
    refused = size
  }
  if (refused !== null) return limited(check, refused, null)
  return ok(check, 'no upload of the sizes to try may be begun by this user')
}

function limited(check: string, refused: number | null, taken: number | null): Finding {
  const least = taken === null ? '' : `; ${formatSize(taken)} are let through`
  return fail(
    check,
    `a proxy refuses bodies of ${formatSize(refused ?? 0)}${least}`,
    'raise its limit (nginx: client_max_body_size 0)',
  )
}

async function largestUpload({ url }: Address): Promise<number> {
  const answer = await fetch(`${url}/files/`, { method: 'OPTIONS' }).catch(() => null)
  const header = answer?.headers.get('tus-max-size') ?? null
  return header === null ? Number.POSITIVE_INFINITY : Number(header)
}

/** Whether an answer that goes on is passed on as it comes: the stream of events. */
async function checkAnswerBuffering({ url, token }: Address, withinMs: number): Promise<Finding> {
  const check = 'answer buffering'
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), withinMs)
  try {
    const answer = await createClient({ url, token }).request('/api/events', {
      signal: stop.signal,
    })
    const first = await answer.body?.getReader().read()
    if (first?.done === false) return ok(check, 'events come as they happen')
    return warn(check, 'the stream of events ended at once', 'look into the log of the proxy')
  } catch (error) {
    if (error instanceof LandfallError) return warn(check, error.message, 'look into the log')
    return warn(
      check,
      `no event came within ${withinMs / 1000} s`,
      'switch buffering of answers off in the proxy (nginx: proxy_buffering off)',
    )
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

function headersOf({ token }: Address): Record<string, string> {
  return { ...TUS, ...(token !== null && { Authorization: `Token ${token}` }) }
}

/** Begins an upload, looks at something with it, and removes it. `warn`: it may not be begun. */
async function withUpload(
  address: Address,
  size: number,
  check: string,
  look: (upload: string) => Promise<Finding>,
): Promise<Finding> {
  const { request } = createClient(address)
  try {
    const answer = await request('/files/', {
      method: 'POST',
      headers: { ...TUS, 'Upload-Length': String(size) },
    })
    // By the address that was given: what it calls itself is another check's affair.
    const upload = uploadAt(address, answer.headers.get('location') ?? '')
    try {
      return await look(upload)
    } finally {
      await request(upload.slice(address.url.length), { method: 'DELETE', headers: TUS }).catch(
        () => {},
      )
    }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    return warn(check, `an upload could not be tried: ${words}`, 'see what the server says')
  }
}

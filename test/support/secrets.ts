import { expect } from 'vitest'

/**
 * What no line of any log may hold. Every server that the tests start writes its log through here;
 * what the tests send as a secret is noted when it is made or sent, and test/support/setup.ts fails
 * the file in which a line held one.
 */

/** Shorter ones stand in honest lines by chance. */
const MIN_LENGTH = 8
/** Those noted first, such as the admin's key, stay; of what is sent the newest count. */
const MAX_NOTED = 2_000

const kept = new Set<string>()
const sent = new Set<string>()
const leaks: string[] = []

/** Notes a secret for the rest of the test file. */
export function keepSecret(secret: string): void {
  note(kept, secret)
}

/** Notes the secrets of a request: credentials, metadata, query, tokens that its path names. */
export function noteRequest(
  url: string,
  header: (name: string) => string | null | undefined,
): void {
  const credentials = header('authorization')?.replace(/^\S+ +/, '')
  if (credentials) note(sent, credentials)
  for (const pair of (header('upload-metadata') ?? '').split(',')) {
    const [key = '', value = ''] = pair.trim().split(' ')
    note(sent, value)
    // What kind of file it is may be said of it: `image/png` is nobody's secret.
    if (!/^(?:file)?type$/.test(key)) note(sent, Buffer.from(value, 'base64').toString())
  }
  const [path = '', query = ''] = url.split('?', 2)
  note(sent, query)
  note(sent, new URLSearchParams(query).get('signature') ?? '')
  const [, token] = /\/(?:upload-session|media)\/([\w-]{20,})/.exec(path) ?? []
  if (token) note(sent, token)
}

/** The same of the head of a request that is written by hand. */
export function noteRawRequest(text: string): void {
  const [line = '', ...fields] = text.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? []
  const path = /^[A-Z]+ (\S+) HTTP\//.exec(line)?.[1]
  if (path === undefined) return
  const headers = new Map(
    fields.map((field) => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
    }),
  )
  noteRequest(path, (name) => headers.get(name))
}

function note(among: Set<string>, secret: string): void {
  if (secret.length < MIN_LENGTH) return
  among.delete(secret)
  among.add(secret)
  // As a JSON string has it, if that is another text.
  const escaped = JSON.stringify(secret).slice(1, -1)
  if (escaped !== secret) among.add(escaped)
  if (among.size > MAX_NOTED) {
    for (const oldest of among) {
      among.delete(oldest)
      break
    }
  }
}

/** A destination of a log that looks at every line before it passes it on. */
export function watched(write: (line: string) => unknown): { write(line: string): unknown } {
  return {
    write(line) {
      check(line)
      return write(line)
    },
  }
}

/** Looks at what a server process has written, in whatever pieces it comes. */
export function watchedText(): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(check)
  }
}

function check(line: string): void {
  for (const secrets of [kept, sent]) {
    for (const secret of secrets) {
      if (!line.includes(secret)) continue
      const test = expect.getState().currentTestName ?? 'before the first test'
      const place = new Error().stack?.split('\n').find((frame) => frame.includes('/src/'))
      leaks.push(`${test}: ${line.replaceAll(secret, '<secret>').trim()}${place ?? ''}`)
      return
    }
  }
}

/** The lines that held a secret since it was asked last, without it, each with its test and place. */
export function takeLeaks(): string[] {
  return leaks.splice(0)
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLog } from '../../src/telemetry/log.ts'
import {
  keepSecret,
  noteRawRequest,
  noteRequest,
  takeLeaks,
  watched,
  watchedText,
} from '../support/secrets.ts'
import { readSources } from '../support/source.ts'

/** The check that every log of the whole run goes through, and what stands on it. */

const passed: string[] = []
const log = createLog({ destination: watched((line) => passed.push(line)) })
beforeEach(() => {
  passed.length = 0
})
// What these tests leak on purpose must not fail this file.
afterEach(() => void takeLeaks())

describe('the check of the logs', () => {
  it('finds a secret that was made, wherever it stands in a line, and tells the test and the place', () => {
    keepSecret('lf_a-token-of-a-test')
    log.info({ deep: { down: ['Token lf_a-token-of-a-test!'] } }, 'something')
    const [leak = '', ...others] = takeLeaks()
    expect(others).toEqual([])
    expect(leak).toContain('finds a secret that was made')
    expect(leak).toContain('Token <secret>!')
    expect(leak).not.toContain('lf_a-token-of-a-test')
    expect(passed).toHaveLength(1)
  })

  it('finds credentials, metadata, query and tokens in paths of what was sent', () => {
    const headers: Record<string, string> = {
      authorization: 'Bearer one-more-secret-key',
      'upload-metadata': `filename ${btoa('my "secret" name.txt')},filetype ${btoa('text/markdown')}`,
    }
    const session = 'aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB'
    noteRequest(
      `http://x/upload-session/${session}/files/?search=what-they-look-for`,
      (name) => headers[name],
    )
    const leaked = [
      'one-more-secret-key',
      btoa('my "secret" name.txt'),
      'my "secret" name.txt',
      'search=what-they-look-for',
      session,
    ]
    for (const text of leaked) log.info({ text }, 'something')
    expect(takeLeaks()).toHaveLength(leaked.length)
    log.info({ text: 'text/markdown', path: `/upload-session/${session.slice(0, 8)}…` }, 'nothing')
    expect(takeLeaks()).toEqual([])
  })

  it('finds them in requests written by hand and in what processes write', () => {
    noteRawRequest('GET /x?y=a-raw-query HTTP/1.1\r\nAuthorization: Token raw-secret-key\r\n\r\nz')
    const look = watchedText()
    look('{"msg":"a-raw-')
    expect(takeLeaks()).toEqual([])
    look('query"}\n{"msg":"raw-secret-key"}\n')
    // Half of a query is none: `y=a-raw-query` was sent.
    expect(takeLeaks()).toHaveLength(1)
  })

  it('sees what every fetch sends', async () => {
    const headers = { Authorization: 'Token sent-by-fetch' }
    await fetch('data:text/plain,x', { headers })
    log.info({ text: 'sent-by-fetch' }, 'something')
    expect(takeLeaks()).toHaveLength(1)
  })
})

describe('permission', () => {
  it('is decided in one place: nothing else compares a role', async () => {
    const deciding = (await readSources())
      .filter(({ text }) => /\brole\s*[!=]==\s*'/.test(text))
      .map(({ name }) => name)
    expect(deciding).toEqual(['auth/can.ts'])
  })

  it('is asked of that place by every door', async () => {
    const asking = (await readSources())
      .filter(({ files }) => files.includes('auth/can.ts'))
      .map(({ name }) => name)
    const doors = ['http/authenticate.ts', 'protocols/sessions/door.ts']
    const core = ['uploads/core.ts', 'uploads/create.ts']
    expect(asking).toEqual(expect.arrayContaining([...doors, ...core]))
  })
})

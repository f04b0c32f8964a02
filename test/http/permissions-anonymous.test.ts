import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CHUNKED, chunkedClient } from '../support/chunked.ts'
import { creations, send } from '../support/creations.ts'
import { formPath } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { TUS, tusClient } from '../support/tus.ts'

/** ALLOW_ANONYMOUS_UPLOADS: what belongs to nobody is open to whoever knows where it is. */

let server: TestServer
const as: Record<string, string | undefined> = { nobody: undefined }

beforeAll(async () => {
  server = await startServer({ env: { ALLOW_ANONYMOUS_UPLOADS: 'true' } })
  for (const role of ['user', 'staff', 'admin'] as const)
    as[role] = (await server.accounts.add(role)).authorization
  as['an unknown token'] = `Token lf_${'x'.repeat(43)}`
})
afterAll(() => server.close())

/** The status that each of them gets. */
async function statuses(ask: (authorization: string | undefined) => Promise<Response>) {
  const found: Record<string, number> = {}
  for (const [who, authorization] of Object.entries(as)) {
    const answer = await ask(authorization)
    await answer.arrayBuffer()
    found[who] = answer.status
  }
  return found
}

const asking = (method: string, path: string, headers: Record<string, string> = {}) =>
  statuses((authorization) =>
    fetch(server.url + path, {
      method,
      headers: { ...headers, ...(authorization ? { Authorization: authorization } : {}) },
    }),
  )

const pathOf = (url: string) => new URL(url).pathname

describe('with ALLOW_ANONYMOUS_UPLOADS', () => {
  it('an upload of nobody is open to everybody, and a bad token is still refused', async () => {
    const path = pathOf(await tusClient(server.url).begin(5))
    const chunked = pathOf((await chunkedClient(server.url, null).begin('hello', 10)).url)
    const open = { nobody: 200, user: 200, staff: 200, admin: 200, 'an unknown token': 401 }
    expect(await asking('HEAD', path, TUS)).toEqual(open)
    expect(await asking('GET', chunked)).toEqual(open)
    expect(await asking('DELETE', path, TUS)).toMatchObject({
      nobody: 204,
      'an unknown token': 401,
    })
  })

  it("a user's upload is not there for nobody", async () => {
    const path = pathOf(await tusClient(server.url, as.user).begin(5))
    const own = { nobody: 404, user: 200, staff: 200, admin: 200, 'an unknown token': 401 }
    expect(await asking('HEAD', path, TUS)).toEqual(own)
  })

  it('a session of nobody is open to nobody alone, its files to staff and admin as well', async () => {
    const client = sessionClient(server.url, null)
    const token = await client.open()
    expect((await client.add(token, 'a.pdf', pdf())).status).toBe(200)
    const list = { nobody: 200, user: 400, staff: 400, admin: 400, 'an unknown token': 401 }
    expect(await asking('GET', `/upload-session/${token}/files/`)).toEqual(list)
    const file = { nobody: 200, user: 200, staff: 200, admin: 200, 'an unknown token': 401 }
    expect(await asking('GET', `/upload-session/${token}/files/a.pdf/`)).toEqual(file)
  })

  it('the media API, accounts and lists stay shut', async () => {
    expect(await asking('GET', formPath)).toMatchObject({ nobody: 401, user: 403, staff: 200 })
    expect(await asking('GET', '/api/users')).toMatchObject({ nobody: 401, staff: 403, admin: 200 })
    expect(await asking('GET', '/api/me')).toMatchObject({ nobody: 401, user: 200 })
    await chunkedClient(server.url, null).begin('hello', 10)
    expect(await (await fetch(`${server.url}${CHUNKED}/`)).json()).toEqual([])
    expect(await (await fetch(`${server.url}/upload-session/`)).json()).toEqual({ sessions: [] })
  })

  it('every way to begin an upload is open but the form, which is of the media API', async () => {
    const part = await tusClient(server.url).create({
      'Upload-Length': '5',
      'Upload-Concat': 'partial',
    })
    const token = await sessionClient(server.url, null).open()
    for (const [name, creation] of Object.entries(
      creations(token, [part.headers.get('location') ?? '']),
    )) {
      const answer = await send(server.url, creation())
      expect([name, answer.ok]).toEqual([name, name !== 'a form'])
    }
  })
})

import sharp from 'sharp'
import { type Client, createClient } from '../../src/client/client.ts'
import { ADMIN_KEY, type TestServer } from './server.ts'
import { TUS } from './tus.ts'

/** What an example cannot know: which things there are. */
export interface State {
  path?: Record<string, string | number>
  /** Fields of the body. */
  body?: Record<string, string>
}

const TEXT = 'Hello, Landfall!'

/** Makes what the example of an operation is about. */
export async function prepare(
  server: TestServer,
  operationId: string,
  example: string,
): Promise<State> {
  const client = createClient({ url: server.url, token: ADMIN_KEY })
  const make = states(server, client, example)[operationId]
  return make === undefined ? {} : make()
}

function states(
  server: TestServer,
  client: Client,
  example: string,
): Record<string, () => Promise<State>> {
  const id = (value: string | number): State => ({ path: { id: value } })
  const picture = async () => {
    const create = { width: 20, height: 10, channels: 3, background: '#369' } as const
    const bytes = new Uint8Array(await sharp({ create }).png().toBuffer())
    return client.files.upload({ file: new Blob([bytes]), filename: 'picture.png' })
  }
  const someFile = async () => id((await picture()).id)
  const keyAndName = async (): Promise<State> => {
    const [, , key = '', name = ''] = new URL((await picture()).f).pathname.split('/')
    return { path: { key, name } }
  }
  const someUser = async () => id((await server.accounts.add('user')).id)
  const openSession = async (): Promise<State> => {
    const { uploadSessionToken: token } = await client.sessions.create()
    return { path: { token } }
  }
  const filledSession = async (): Promise<State> => {
    const { uploadSessionToken: token } = await client.sessions.create()
    const { file: name } = await client.sessions.add(token, new Blob([TEXT]), 'greeting.txt')
    return { path: { token, name } }
  }
  const chunked = async (length: number) => {
    const answer = await client.request('/api/chunked-uploads/', {
      method: 'PUT',
      headers: {
        'Content-Range': `bytes 0-${length - 1}/16`,
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': 'attachment; filename="greeting.txt"',
      },
      body: TEXT.slice(0, length),
    })
    return (await answer.json()) as { id: string }
  }
  const begunChunked = async () => id((await chunked(6)).id)
  const upload = async (length: number) => {
    const headers: Record<string, string> =
      example === 'ietf'
        ? { 'Upload-Complete': '?0', 'Upload-Length': '16' }
        : { ...TUS, 'Upload-Length': '16', 'Content-Type': 'application/offset+octet-stream' }
    const body = TEXT.slice(0, length)
    const answer = await client.request('/files/', { method: 'POST', headers, body })
    return id(answer.headers.get('location')?.split('/').at(-1) ?? '')
  }
  return {
    getMediaFile: someFile,
    changeMediaFile: someFile,
    deleteMediaFile: someFile,
    getThumbnail: someFile,
    shareMediaFile: someFile,
    getBytes: keyAndName,
    getBytesByKey: keyAndName,
    getUser: someUser,
    changeUser: someUser,
    deactivateUser: someUser,
    listTokens: someUser,
    createToken: someUser,
    revokeToken: async () => id((await server.accounts.add('user')).tokenId),
    listSessionFiles: filledSession,
    addSessionFile: openSession,
    getSessionFile: filledSession,
    removeSessionFile: filledSession,
    submitSession: filledSession,
    getChunkedUpload: begunChunked,
    sendChunk: begunChunked,
    removeChunkedUpload: begunChunked,
    completeChunkedUpload: async () => id((await chunked(16)).id),
    completeAncestorUpload: async () => ({ body: { upload_id: (await chunked(16)).id } }),
    getUploadOffset: () => upload(6),
    appendToUpload: () => upload(6),
    terminateUpload: () => upload(6),
    overrideMethod: () => upload(6),
    downloadUpload: () => upload(16),
    async resendWebhookEvent() {
      await picture()
      const { results } = await client.webhooks.events()
      return id(results[0]?.id ?? 0)
    },
  }
}

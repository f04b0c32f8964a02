import { accountPaths } from './accounts.ts'
import { type ChunkedDescription, chunkedPaths } from './chunked.ts'
import { eventPaths, webhooks } from './events.ts'
import { mediaPaths } from './media.ts'
import { operationPaths } from './operations.ts'
import type { Paths } from './parts.ts'
import { responses, schemas } from './schemas.ts'
import { sessionPaths } from './sessions.ts'
import { uploadResponses } from './upload-words.ts'
import { uploadPaths } from './uploads.ts'

/** The settings that change what the API is. */
export interface ApiDescription {
  version: string
  chunked: ChunkedDescription
  /** RESUMABLE_HTTP */
  resumableHttp: boolean
  /** MEDIA_ACCESS */
  mediaAccess: string
  /** SESSION_READONLY */
  sessionsReadonly: boolean
}

const description = `Landfall takes uploads that survive bad networks, restarts and crashes, and makes each finished
one a media file that can be listed, filtered and served.

Every path works with and without its trailing slash. A token goes into \`Authorization: Token …\`;
\`Bearer …\` means the same. Every answer has an \`X-Request-Id\`, by which the log knows the request.`

const tagTexts = {
  'Resumable uploads': 'For files of any size, over any network.',
  'Media files': 'The library: list, search, change, remove, share.',
  Bytes: 'What is in the files.',
  'Upload sessions': 'The files of one form, submitted together.',
  'Chunked uploads': 'For clients of drf-chunked-upload and django-chunked-upload.',
  Events: 'What happens, as it happens.',
  Webhooks: 'What is sent to a program of yours.',
  Accounts: 'Users and their tokens.',
  Operations: 'For those who run the server.',
}

/** The whole API as an OpenAPI 3.1 document, but for the servers. */
export function describeApi(api: ApiDescription) {
  const paths: Paths = {
    ...uploadPaths(api.resumableHttp, api.mediaAccess),
    ...mediaPaths(api.mediaAccess),
    ...sessionPaths(api.sessionsReadonly, api.mediaAccess),
    ...chunkedPaths(api.chunked, api.mediaAccess),
    ...eventPaths(api.mediaAccess),
    ...accountPaths,
    ...operationPaths,
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Landfall',
      version: api.version,
      description,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    security: [{ token: [] }],
    tags: Object.entries(tagTexts).map(([name, text]) => ({ name, description: text })),
    paths,
    webhooks: webhooks(api.mediaAccess),
    components: {
      schemas,
      responses: { ...responses, ...uploadResponses(api.resumableHttp) },
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of `landfall tokens add`, or of `/api/users/{id}/tokens`.',
        },
      },
    },
  }
}

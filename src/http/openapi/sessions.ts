import { mediaUrlExample } from './examples.ts'
import { byteAnswers, byteParameters } from './media.ts'
import {
  answer,
  nothing,
  type Operation,
  type Parameter,
  type Paths,
  pathId,
  ref,
  refused,
  responseHeader,
} from './parts.ts'

const tags = ['Upload sessions']
const token = 'Zx8Q2mP4vK7sN1cR5tY9bL3wE6hJ0dFg'
const base = 'https://files.example.org/upload-session'
const place = { uploadSessionToken: token }
const fileExample = { name: 'photo.jpg', size: 20480, url: `${base}/${token}/files/photo.jpg/` }
const session = (example = token): Parameter => pathId('token', 'Of the session.', example)
const name = pathId('name', 'Of the file, percent-encoded.', 'photo.jpg')

const refusal = (description: string, example: object): Operation['responses'] => ({
  400: answer(description, ref('SessionError'), example),
})
const missing = (error: string): Operation['responses'] => ({
  404: answer('There is none.', ref('SessionError'), { error }),
})

/** What is not about the file or the session, in the words of this door too. */
function hindered(...statuses: (keyof typeof hindrances)[]): Operation['responses'] {
  return Object.fromEntries(statuses.map((status) => [status, hindrances[status]]))
}

const later = {
  'Retry-After': responseHeader('Seconds after which to try again.', { type: 'integer' }),
}

const hindrances = {
  413: answer('The quota of the user is used up.', ref('SessionError'), {
    error: 'Your storage quota is used up: remove files or ask for more room.',
  }),
  423: answer(
    'Another request is using the file.',
    ref('SessionError'),
    {
      error: 'Another request is using this upload: try again in a moment.',
    },
    later,
  ),
  429: answer(
    'Too many unfinished uploads, or too many begun in a short time.',
    ref('SessionError'),
    {
      error: 'Too many uploads were begun in a short time: try again in a moment.',
    },
    later,
  ),
  503: answer(
    'Database, storage or scanner is away for a moment, or the server is restarting.',
    ref('SessionError'),
    { error: 'The service is briefly unavailable: try again in a moment.' },
    later,
  ),
  507: answer(
    'The disk is full.',
    ref('SessionError'),
    {
      error: 'The server has no room left: try again later.',
    },
    later,
  ),
}

const invalid = refusal('The session is not one of the caller, or takes no files.', {
  ...place,
  error: 'Invalid upload session token',
})

function list(item: string) {
  return {
    type: 'object',
    required: ['uploadSessionToken', 'files'],
    properties: {
      uploadSessionToken: { type: 'string' },
      status: { type: 'string', enum: ['stored'] },
      files: { type: 'array', items: ref(item) },
    },
    additionalProperties: false,
  }
}

const create: Operation = {
  operationId: 'createSession',
  tags,
  summary: 'Open a session',
  responses: {
    201: answer(
      'The session.',
      ref('OpenSession'),
      { ...place, url: `${base}/${token}/files/`, expires: '2026-03-05T05:06:07.123456Z' },
      { Location: responseHeader('Where its files are.', { type: 'string' }, true) },
    ),
    ...refusal('Too many sessions are open.', {
      error: 'Too many upload sessions are open: submit some first.',
    }),
    ...refused(401),
    ...hindered(429, 503),
  },
}

const listSessions: Operation = {
  operationId: 'listSessions',
  tags,
  summary: "List the caller's sessions, newest first",
  responses: {
    200: answer(
      'All of them.',
      {
        type: 'object',
        required: ['sessions'],
        properties: { sessions: { type: 'array', items: ref('Session') } },
        additionalProperties: false,
      },
      {
        sessions: [
          {
            ...place,
            status: 'uploading',
            fileCount: 1,
            totalSize: 20480,
            expires: '2026-03-05T05:06:07.123456Z',
            created: '2026-03-04T05:06:07.123456Z',
            url: `${base}/${token}/files/`,
          },
        ],
      },
    ),
    ...refused(401),
    ...hindered(503),
  },
}

const addFile: Operation = {
  operationId: 'addSessionFile',
  tags,
  summary: 'Add a file',
  description:
    'A large one goes into the session through tus: its metadata has `session <token>`. A file ' +
    'that is not accepted is 400 whatever is wrong with it.',
  parameters: [session()],
  requestBody: {
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          required: ['file'],
          properties: { file: { type: 'string', contentMediaType: 'application/octet-stream' } },
        },
        example: { file: 'Hello, Landfall!' },
      },
    },
  },
  responses: {
    200: answer(
      'It is in the session.',
      {
        type: 'object',
        required: ['file', 'accepted', 'uploadSessionToken', 'url'],
        properties: {
          file: { type: 'string' },
          accepted: { type: 'boolean', enum: [true] },
          uploadSessionToken: { type: 'string' },
          url: { type: 'string', format: 'uri' },
        },
        additionalProperties: false,
      },
      { file: 'photo.jpg', accepted: true, ...place, url: fileExample.url },
    ),
    ...refusal('The file, or the session, is refused.', {
      file: 'photo',
      accepted: false,
      ...place,
      error: 'File is missing an extension.',
      verboseError: 'The file "photo" has no extension.',
    }),
    ...refused(401),
    ...hindered(413, 429, 503, 507),
  },
}

const submit = (access: string): Operation => ({
  operationId: 'submitSession',
  tags,
  summary: 'Make media files of all files, or of none, and close the session',
  parameters: [session()],
  responses: {
    200: answer('What the files have become.', list('SubmittedFile'), {
      ...place,
      status: 'stored',
      files: [{ ...fileExample, id: 17, f: mediaUrlExample(access, 'photo.jpg') }],
    }),
    ...invalid,
    ...refused(401),
    ...hindered(423, 503, 507),
  },
})

/**
 * @param readonly SESSION_READONLY: nothing is added or removed.
 * @param access MEDIA_ACCESS
 */
export function sessionPaths(readonly: boolean, access: string): Paths {
  const writing = <T extends object>(operations: T): Partial<T> => (readonly ? {} : operations)
  return {
    '/upload-session/': { get: listSessions, ...writing({ post: create }) },
    '/upload-session/{token}/files/': {
      get: {
        operationId: 'listSessionFiles',
        tags,
        summary: 'List the files of a session, in upload order',
        parameters: [session()],
        responses: {
          200: answer('All of them.', list('SessionFile'), { ...place, files: [fileExample] }),
          ...invalid,
          ...refused(401),
          ...hindered(503),
        },
      },
      ...writing({ post: addFile }),
    },
    '/upload-session/{token}/files/{name}/': {
      get: {
        operationId: 'getSessionFile',
        tags,
        summary: 'Read the bytes of a file',
        description: 'Its user, staff and admins.',
        parameters: [session(), name, ...byteParameters],
        responses: {
          ...byteAnswers,
          ...missing('File not found in upload session'),
          ...refused(401, 416),
          ...hindered(503),
        },
      },
      ...writing({
        delete: {
          operationId: 'removeSessionFile',
          tags,
          summary: 'Remove a file',
          parameters: [session(), name],
          responses: {
            204: nothing('It is gone.'),
            ...refusal('The session was submitted.', {
              error: 'Cannot remove file from upload session',
            }),
            ...missing('File not found in upload session'),
            ...refused(401),
            ...hindered(423, 503),
          },
        },
      }),
    },
    ...(readonly ? {} : { '/upload-session/{token}/submit': { post: submit(access) } }),
  }
}

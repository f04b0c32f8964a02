import { createHash } from 'node:crypto'
import { mediaUrlExample } from './examples.ts'
import {
  answer,
  header,
  nothing,
  type Operation,
  type Parameter,
  type Paths,
  pathId,
  query,
  ref,
  refused,
} from './parts.ts'

/** The settings that change what clients of this door send. */
export interface ChunkedDescription {
  /** CHUNKED_PATH, without a slash at the end. */
  path: string
  /** CHUNKED_FIELD_NAME */
  fieldName: string
  /** CHUNKED_CHECKSUM */
  checksum: string
}

const tags = ['Chunked uploads']
const text = 'Hello, Landfall!'
const id = '5230ec1f-59d1-485d-9d79-74b853802e31'
const expires = '2026-11-22T21:16:30.945838Z'
const upload = ref('ChunkedUpload')
const pathToUpload = pathId('id', 'A UUID, with or without dashes.', id)

const contentRange = (required: boolean, examples: Parameter['examples']): Parameter =>
  header('Content-Range', 'Which bytes these are, of how many.', {
    required,
    schema: { type: 'string', pattern: '^bytes [0-9]+-[0-9]+/[0-9]+$' },
    ...(examples && { examples }),
  })

const file = { type: 'string', contentMediaType: 'application/octet-stream' }

const refusals: Operation['responses'] = {
  400: answer(
    'The chunk is refused, in the words of drf-chunked-upload.',
    {
      type: 'object',
      required: ['detail'],
      properties: {
        detail: { anyOf: [{ type: 'string' }, ref('FieldErrors')] },
        expected_offset: { type: ['integer', 'null'] },
        provided_offset: { type: 'integer' },
        expected_total: { type: 'integer' },
        provided_total: { type: 'integer' },
      },
    },
    { detail: 'Offsets do not match', expected_offset: 10, provided_offset: 20 },
  ),
  ...refused(401, 404, 410, 413, 423, 429, 503, 507),
}

const first = { form: { value: 'bytes 0-5/16' }, raw: { value: 'bytes 0-5/16' } }
const next = { form: { value: 'bytes 6-11/16' }, raw: { value: 'bytes 6-11/16' } }
const disposition = header('Content-Disposition', 'Name of the file, beside a raw body.', {
  examples: { raw: { value: 'attachment; filename="greeting.txt"' } },
})
const digest = { type: 'string', pattern: '^[0-9A-Fa-f]+$' }
const digestOf = (algorithm: string) => createHash(algorithm).update(text).digest('hex')

const ancestor = (offset: number) => ({
  upload_id: id.replaceAll('-', ''),
  offset,
  expires: '2026-11-22T21:16:30.945Z',
})

function exampleAt(path: string) {
  return {
    id,
    url: `https://files.example.org${path}/${id}`,
    file: null,
    filename: 'greeting.txt',
    offset: 6,
    created_at: '2026-11-21T21:16:30.945838Z',
    expires,
    status: 1,
    completed_at: null,
    user: 7,
    media_file: null,
  }
}

/** One chunk, as a form or as it is. */
function chunkBody(fieldName: string): NonNullable<Operation['requestBody']> {
  return {
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          required: [fieldName],
          properties: {
            [fieldName]: file,
            filename: { type: 'string', description: "Default: the part's file name." },
          },
        },
        examples: { form: { value: { [fieldName]: text.slice(0, 6), filename: 'greeting.txt' } } },
      },
      'application/octet-stream': {
        schema: file,
        examples: { raw: { value: text.slice(0, 6) } },
      },
    },
  }
}

/** @param access MEDIA_ACCESS */
export function chunkedPaths(door: ChunkedDescription, access: string): Paths {
  const { path, fieldName } = door
  const example = exampleAt(path)
  const received = answer('The upload as it is now.', upload, example)
  const body = chunkBody(fieldName)
  return {
    [`${path}/`]: {
      get: {
        operationId: 'listChunkedUploads',
        tags,
        summary: 'List uploads, newest first, at most 1000',
        parameters: [
          query('offset', 'How many to leave out.', { type: 'integer', minimum: 0, default: 0 }),
        ],
        responses: {
          200: answer('The uploads.', { type: 'array', items: upload }, [example]),
          ...refused(401, 503),
        },
      },
      put: {
        operationId: 'beginChunkedUpload',
        tags,
        summary: 'Begin an upload with its first chunk',
        description: 'As a form, or as raw bytes.',
        parameters: [contentRange(true, first), disposition],
        requestBody: body,
        responses: { 200: received, ...refusals },
      },
      post: post(door),
    },
    [`${path}/complete`]: { post: completeAncestor },
    [`${path}/{id}`]: {
      get: {
        operationId: 'getChunkedUpload',
        tags,
        summary: 'Get an upload',
        parameters: [pathToUpload],
        responses: { 200: received, ...refused(401, 404, 410, 503) },
      },
      put: {
        operationId: 'sendChunk',
        tags,
        summary: 'Send the next chunk',
        parameters: [pathToUpload, contentRange(true, next), disposition],
        requestBody: body,
        responses: { 200: received, ...refusals },
      },
      post: complete(door, access),
      delete: remove,
    },
  }
}

function post({ fieldName, checksum }: ChunkedDescription): Operation {
  const properties = { [fieldName]: file, [checksum]: digest, upload_id: { type: 'string' } }
  return {
    operationId: 'uploadWholeFile',
    tags,
    summary: 'Send a whole file with its digest, or a chunk as django-chunked-upload does',
    description:
      `With \`${checksum}\` the file is complete. With Content-Range, or with nothing, it is a ` +
      'chunk; from the second one on `upload_id` says of which upload.',
    parameters: [contentRange(false, { chunk: { value: 'bytes 0-5/16' } })],
    requestBody: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: { type: 'object', required: [fieldName], properties },
          examples: {
            whole: { value: { [fieldName]: text, [checksum]: digestOf(checksum) } },
            chunk: { value: { [fieldName]: text.slice(0, 6) } },
          },
        },
      },
    },
    responses: {
      200: answer(
        'The upload, in the words of whoever asked.',
        { anyOf: [upload, ref('AncestorUpload')] },
        ancestor(6),
      ),
      ...refusals,
    },
  }
}

const completeAncestor: Operation = {
  operationId: 'completeAncestorUpload',
  tags,
  summary: 'Complete an upload, as django-chunked-upload does',
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['upload_id', 'md5'],
          properties: { upload_id: { type: 'string' }, md5: digest },
        },
        example: { upload_id: id.replaceAll('-', ''), md5: digestOf('md5') },
      },
    },
  },
  responses: {
    200: answer('It is complete.', ref('AncestorUpload'), ancestor(16)),
    ...refusals,
  },
}

function complete({ path, checksum }: ChunkedDescription, access: string): Operation {
  const schema = {
    type: 'object',
    required: [checksum],
    properties: { [checksum]: { ...digest, description: 'Hex digest of the whole file.' } },
  }
  const example = { [checksum]: digestOf(checksum) }
  return {
    operationId: 'completeChunkedUpload',
    tags,
    summary: 'Complete an upload with the digest of the whole file',
    parameters: [pathToUpload],
    requestBody: {
      required: true,
      content: {
        'application/json': { schema, examples: { json: { value: example } } },
        'application/x-www-form-urlencoded': { schema, examples: { form: { value: example } } },
        'multipart/form-data': { schema, examples: { multipart: { value: example } } },
      },
    },
    responses: {
      200: answer('It is complete, and a media file.', upload, {
        ...exampleAt(path),
        file: mediaUrlExample(access, 'greeting.txt'),
        offset: 16,
        status: 2,
        completed_at: '2026-11-21T21:16:31.2Z',
        media_file: 17,
      }),
      ...refusals,
    },
  }
}

const remove: Operation = {
  operationId: 'removeChunkedUpload',
  tags,
  summary: 'Drop an upload',
  parameters: [pathToUpload],
  responses: { 204: nothing('It is gone.'), ...refused(401, 403, 404, 410, 423, 503) },
}

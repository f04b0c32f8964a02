import { mediaChangeFields } from '../../media/changes.ts'
import { schemaOf } from '../../media/fields.ts'
import { filterParameters } from '../../media/filters.ts'
import { sortKeys } from '../../media/ordering.ts'
import { linkFields } from '../../media/share.ts'
import { textFields } from '../../media/text-field.ts'
import { thumbnailWidths } from '../../media/thumbnails.ts'
import { linkExample, mediaFileExample } from './examples.ts'
import {
  answer,
  bytes,
  jsonBody,
  nothing,
  type Operation,
  type Parameter,
  type Paths,
  page,
  pageOf,
  paging,
  pathId,
  query,
  ref,
  refused,
  responseHeader,
} from './parts.ts'

const meanings: Record<string, string> = {
  type: 'One of the types, or a comma list.',
  user_id: 'Files of this user.',
  created_date: 'That day, in UTC.',
  updated_date: 'That day, in UTC.',
  created_from: 'A day or a time, inclusive.',
  created_to: 'A day or a time, inclusive; a day with all of it.',
  updated_from: 'A day or a time, inclusive.',
  updated_to: 'A day or a time, inclusive; a day with all of it.',
}

const filters: Parameter[] = [...filterParameters].map(([name, { schema }]) =>
  query(name, meanings[name] ?? 'Inclusive.', schema),
)

const sortKey = `-?(?:${sortKeys.join('|')})`

const listParameters: Parameter[] = [
  ...paging,
  query(
    'search',
    'Words that must all be found in name or id; a "quoted phrase" is one. Case does not matter.',
    { type: 'string' },
  ),
  {
    ...query(
      'ordering',
      `Comma list, \`-\` for descending, of ${sortKeys.map((key) => `\`${key}\``).join(', ')}.`,
      { type: 'string', pattern: `^${sortKey}(?:,${sortKey})*$`, default: '-created_at' },
    ),
    example: '-size,name',
  },
  ...filters,
]

const tags = ['Media files']
const file = ref('MediaFile')

const list = (access: string): Operation => ({
  operationId: 'listMediaFiles',
  tags,
  summary: 'List media files',
  description:
    'For staff and admins. Unknown parameters are ignored, an empty value is no filter, and paging ' +
    'never repeats or skips a record that was there all the time.',
  parameters: listParameters,
  responses: {
    200: answer('One page.', pageOf(file), page(mediaFileExample(access))),
    ...refused(400, 401, 403, 503),
  },
})

const upload = (access: string): Operation => ({
  operationId: 'uploadMediaFile',
  tags,
  summary: 'Upload a file as a form',
  description:
    'For staff and admins. The body is streamed to the storage; fields may stand before or after ' +
    'the file. What must survive a bad network goes through tus at `/files/` instead.',
  requestBody: {
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          required: ['f'],
          properties: {
            f: { type: 'string', contentMediaType: 'application/octet-stream' },
            name: {
              type: 'string',
              maxLength: textFields.name.maxLength,
              description: "Default: the file's own name.",
            },
            description: { type: 'string', maxLength: textFields.description.maxLength },
          },
        },
        example: { f: 'Hello, Landfall!', name: 'greeting.txt', description: 'A first file' },
      },
    },
  },
  responses: {
    201: answer('The record.', file, mediaFileExample(access), {
      Location: responseHeader('Path of the record.', { type: 'string' }, true),
    }),
    ...refused(400, 401, 403, 413, 415, 429, 503, 507),
  },
})

const share = (access: string): Operation => ({
  operationId: 'shareMediaFile',
  tags,
  summary: 'Make a link that opens a file for anybody until it ends',
  description:
    'For staff and admins. Where media URLs are public (MEDIA_ACCESS) the link does not end, and ' +
    '`expires_in` is refused.',
  parameters: [pathId()],
  requestBody: jsonBody(schemaOf(linkFields), { download: true }, false),
  responses: {
    201: answer('The link.', ref('SharedLink'), linkExample(access)),
    ...refused(400, 401, 403, 404, 413, 415, 503),
  },
})

export const byteHeaders = {
  ETag: responseHeader('Strong: the bytes under it never change.', { type: 'string' }, true),
  'Accept-Ranges': responseHeader('Ranges are taken.', { type: 'string' }, true),
  'Content-Disposition': responseHeader('Name, and whether to show or to save it.'),
}

const conditional: Parameter[] = ['Range', 'If-None-Match', 'If-Modified-Since', 'If-Range'].map(
  (name) => ({
    name,
    in: 'header',
    description: 'As RFC 9110 has it.',
    schema: { type: 'string' },
  }),
)

const download = query('download', '`1`: to be saved instead of shown.', {
  type: 'string',
  enum: ['1'],
})

/** Answers with bytes, wherever they are asked for. */
export const byteAnswers: Operation['responses'] = {
  200: bytes('The bytes.', byteHeaders),
  206: bytes('The ranges that were asked for.', byteHeaders),
  304: nothing('What the client has is the same.'),
}

export const byteParameters: Parameter[] = [...conditional, download]

function bytesOperation(operationId: string, access: string, named: boolean): Operation {
  return {
    operationId,
    tags: ['Bytes'],
    summary: 'Read the bytes of a media file',
    description:
      {
        public: 'For whoever knows the URL: its key cannot be guessed.',
        signed: 'For whoever has a URL with a signature that has not ended, as `f` of a record is.',
        private:
          'For its owner, staff and admins, by their token, and for whoever has a link with a ' +
          'signature that has not ended.',
      }[access] ?? '',
    security: access === 'private' ? [{ token: [] }, {}] : [],
    parameters: [
      pathId('key', '128 random bits: `f` of a record has it.', 'Vt8mZk1sQeGf0n2uXyB7Lw'),
      ...(named ? [pathId('name', 'For people; it is not looked at.', 'holiday.jpg')] : []),
      ...byteParameters,
      ...(access === 'public'
        ? []
        : [
            query('expires', 'End of the link, in seconds since 1970.', { type: 'integer' }),
            query('signature', 'Of the link.', { type: 'string' }),
          ]),
    ],
    responses: {
      ...byteAnswers,
      // The place that a redirect names knows no end, so it is refused with the others.
      ...(access === 'public'
        ? { 302: nothing('The bytes are elsewhere (SERVE_WITH=redirect).') }
        : { 410: { $ref: '#/components/responses/LinkEnded' } }),
      // 403: to a page of this server that would run it.
      ...refused(...(access === 'private' ? ([401] as const) : []), 403, 404, 416, 503),
    },
  }
}

/** @param access MEDIA_ACCESS */
export function mediaPaths(access: string): Paths {
  return {
    '/api/media/files': { get: list(access), post: upload(access) },
    '/api/media/files/{id}': {
      get: {
        operationId: 'getMediaFile',
        tags,
        summary: 'Get a record',
        parameters: [pathId()],
        responses: {
          200: answer('The record.', file, mediaFileExample(access)),
          ...refused(401, 403, 404, 503),
        },
      },
      patch: {
        operationId: 'changeMediaFile',
        tags,
        summary: 'Change name or description',
        parameters: [pathId()],
        requestBody: jsonBody(schemaOf(mediaChangeFields), { name: 'On the beach.jpg' }),
        responses: {
          200: answer('The record as it is now.', file, {
            ...mediaFileExample(access),
            name: 'On the beach.jpg',
          }),
          ...refused(400, 401, 403, 404, 413, 415, 503),
        },
      },
      delete: {
        operationId: 'deleteMediaFile',
        tags,
        summary: 'Remove a file, record and bytes',
        parameters: [pathId()],
        responses: { 204: nothing('It is gone.'), ...refused(401, 403, 404, 503) },
      },
    },
    '/api/media/files/{id}/thumbnail': {
      get: {
        operationId: 'getThumbnail',
        tags,
        summary: 'Get a small picture of an image',
        parameters: [
          pathId(),
          {
            ...query(
              'width',
              `Pixels; the smallest of ${thumbnailWidths.join(', ')} that is no less is taken.`,
              { type: 'integer', default: 320 },
            ),
            example: 160,
          },
        ],
        responses: {
          200: {
            description: 'The picture.',
            headers: byteHeaders,
            content: { 'image/webp': {} },
          },
          304: nothing('What the client has is the same.'),
          ...refused(400, 401, 403, 404, 503),
        },
      },
    },
    '/api/media/files/{id}/links': { post: share(access) },
    '/media/{key}': { get: bytesOperation('getBytesByKey', access, false) },
    '/media/{key}/{name}': { get: bytesOperation('getBytes', access, true) },
  }
}

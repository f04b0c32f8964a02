import { roles } from '../../auth/actor.ts'
import { eventStates, eventTypes, outcomes } from '../../events/event-log.ts'
import type { JsonSchema } from '../../media/fields.ts'
import { mediaTypes } from '../../media/file-types.ts'
import { type ResponseObject, ref } from './parts.ts'

const text: JsonSchema = { type: 'string' }
const integer: JsonSchema = { type: 'integer' }
const time: JsonSchema = { type: 'string', format: 'date-time' }
const url: JsonSchema = { type: 'string', format: 'uri' }
const orNull = ({ type, ...rest }: JsonSchema): JsonSchema => ({ type: [type, 'null'], ...rest })
const told = (schema: JsonSchema, description: string): JsonSchema => ({ ...schema, description })

/** An object that has all of these members and no others. */
export function exactly(
  properties: Record<string, JsonSchema>,
  optional: readonly string[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', required, properties, additionalProperties: false }
}

const user = {
  id: integer,
  username: text,
  first_name: text,
  last_name: text,
  full_name: told(text, 'First and last name, or the username where both are empty.'),
  role: { type: 'string', enum: [...roles] },
  is_active: { type: 'boolean' },
  last_login: told(orNull(time), 'When a token of theirs was last used, to the minute.'),
  created_at: time,
}

const token = { id: integer, name: text, created_at: time, expires_at: orNull(time) }

const delivery = {
  id: integer,
  event_id: integer,
  message_id: text,
  event: { type: 'string', enum: [...eventTypes] },
  subject: text,
  attempt: integer,
  at: time,
  outcome: { type: 'string', enum: [...outcomes] },
  status: told(orNull(integer), 'Of the answer; null where there was none.'),
  error: told(orNull(text), 'Null where it was delivered.'),
  duration_ms: { type: 'number' },
}

const sessionFile = { name: text, size: integer, url }

export const schemas: Record<string, JsonSchema> = {
  MediaFile: exactly(
    {
      id: integer,
      type: { type: 'string', enum: [...mediaTypes] },
      user: {
        description: 'Null for an anonymous upload.',
        oneOf: [{ type: 'null' }, exactly({ id: integer, username: text, full_name: text })],
      },
      f: told(url, 'URL of the bytes.'),
      name: text,
      description: text,
      size: told(integer, 'Bytes.'),
      human_readable_size: text,
      width: told(orNull(integer), 'Images only.'),
      height: told(orNull(integer), 'Images only.'),
      mode: told(orNull(text), "Images only: Pillow's name for the pixel format."),
      mime_type: text,
      digest: told(orNull(text), '`sha256:…`, where MEDIA_DIGEST is set.'),
      created_at: time,
      updated_at: time,
    },
    ['width', 'height', 'mode'],
  ),
  SharedLink: exactly({
    url,
    expires_at: told(orNull(time), 'Null where the link does not end.'),
  }),
  User: exactly(user),
  Token: exactly(token),
  NewToken: exactly({ ...token, key: told(text, 'Shown in this answer and nowhere else.') }),
  OpenSession: exactly({ uploadSessionToken: text, url, expires: time }),
  Session: exactly({
    uploadSessionToken: text,
    status: { type: 'string', enum: ['created', 'uploading', 'stored', 'expired'] },
    fileCount: integer,
    totalSize: integer,
    expires: told(orNull(time), 'Null once it is stored.'),
    created: time,
    url,
  }),
  SessionFile: exactly(sessionFile),
  SubmittedFile: exactly({ ...sessionFile, id: orNull(integer), f: orNull(url) }),
  SessionError: {
    type: 'object',
    required: ['error'],
    properties: {
      error: text,
      verboseError: text,
      uploadSessionToken: text,
      file: text,
      accepted: { type: 'boolean', enum: [false] },
    },
    additionalProperties: false,
  },
  ChunkedUpload: exactly({
    id: { type: 'string', format: 'uuid' },
    url,
    file: told(orNull(url), 'URL of the bytes; null until the upload is complete.'),
    filename: text,
    offset: told(integer, 'Bytes that are stored.'),
    created_at: time,
    expires: time,
    status: { type: 'integer', enum: [1, 2], description: '1: incomplete, 2: complete.' },
    completed_at: orNull(time),
    user: told(orNull(integer), 'Id of the owner.'),
    media_file: told(orNull(integer), 'Id of the record.'),
  }),
  AncestorUpload: exactly({ upload_id: text, offset: integer, expires: time }),
  Event: {
    type: 'object',
    required: ['type', 'timestamp', 'data'],
    properties: {
      type: { type: 'string', enum: [...eventTypes, 'landfall.test'] },
      timestamp: time,
      data: { type: 'object' },
    },
    additionalProperties: false,
  },
  WebhookEvent: exactly({
    id: integer,
    message_id: told(text, 'What receivers know it by: `msg_…`.'),
    event: { type: 'string', enum: [...eventTypes] },
    subject: told(text, 'Events of one subject are delivered in order.'),
    data: { type: 'object' },
    state: { type: 'string', enum: [...eventStates] },
    attempts: integer,
    created_at: time,
    next_attempt_at: orNull(time),
    delivered_at: orNull(time),
    given_up_at: orNull(time),
  }),
  WebhookDelivery: exactly(delivery),
  WebhookTest: exactly({
    event: { type: 'string', enum: ['landfall.test'] },
    message_id: text,
    outcome: delivery.outcome,
    status: delivery.status,
    error: delivery.error,
    duration_ms: delivery.duration_ms,
  }),
  Error: {
    type: 'object',
    required: ['detail'],
    properties: { detail: text, request_id: text },
  },
  FieldErrors: {
    description: 'Messages by the field or parameter that they are about.',
    type: 'object',
    additionalProperties: { type: 'array', items: text },
  },
  Problem: {
    description: 'Problem details of RFC 9457.',
    type: 'object',
    required: ['type', 'title', 'status'],
    properties: { type: text, title: text, status: integer, detail: text },
  },
}

const words = (description: string, detail: string): ResponseObject => ({
  description,
  content: { 'application/json': { schema: ref('Error'), example: { detail } } },
})

const retryAfter = {
  'Retry-After': { description: 'Seconds after which to try again.', schema: integer },
}

/** Refusals that many operations share; all of them are in docs/errors.md. */
export const responses: Record<string, ResponseObject> = {
  BadRequest: {
    description: 'Something of the request is wrong: as a whole, or by field.',
    content: {
      'application/json': {
        schema: { anyOf: [ref('Error'), ref('FieldErrors')] },
        examples: {
          whole: { value: { detail: 'JSON parse error - the body is not valid JSON' } },
          fields: { value: { size_min: ['Enter a number.'] } },
        },
      },
    },
  },
  Unauthorized: {
    ...words(
      'No token, or one that is not valid.',
      'Authentication credentials were not provided.',
    ),
    headers: {
      'WWW-Authenticate': {
        description: 'The scheme.',
        required: true,
        schema: { type: 'string', enum: ['Token'] },
      },
    },
  },
  Forbidden: words(
    'The user may not do this.',
    'You do not have permission to perform this action.',
  ),
  NotFound: words('There is none, or it belongs to somebody else.', 'Not found.'),
  Gone: words('It has expired or was removed.', 'This upload has expired or was removed.'),
  LinkEnded: words('The link has ended.', 'This link has ended: ask for a new one.'),
  TooLarge: words('Larger than allowed.', 'The upload is larger than allowed.'),
  UnsupportedType: words(
    'The media type of the request, or the type of the file, is not taken.',
    'Unsupported media type "text/plain" in request.',
  ),
  RangeNotSatisfiable: words(
    'The range lies outside the file.',
    'The requested range lies outside the file.',
  ),
  Locked: words(
    'Another request is using the upload, or it is being finished.',
    'Another request is using this upload: try again in a moment.',
  ),
  TooMany: {
    ...words(
      'Too many unfinished uploads, or too many begun in a short time.',
      'Too many unfinished uploads: finish or remove some first.',
    ),
    headers: retryAfter,
  },
  Unavailable: {
    ...words(
      'Database, storage or scanner is away for a moment, or the server is restarting.',
      'The service is briefly unavailable: try again in a moment.',
    ),
    headers: retryAfter,
  },
  StorageFull: {
    ...words('The disk is full.', 'The server has no room left: try again later.'),
    headers: retryAfter,
  },
}

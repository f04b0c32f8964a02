import { mediaFileExample } from './examples.ts'
import {
  header,
  type Operation,
  type Parameter,
  pathId,
  type ResponseObject,
  ref,
  responseHeader,
} from './parts.ts'

/** What the operations on uploads have in common: tus, and the IETF draft where it is spoken. */

const number = { type: 'string', pattern: '^[0-9]+$' }

/** Examples by the protocol that they belong to; `ietf` stands for the IETF draft. */
interface Example {
  tus?: string
  ietf?: string
}

function sent(
  name: string,
  description: string,
  { tus, ietf }: Example,
  schema?: Parameter['schema'],
): Parameter {
  return header(name, description, {
    ...(schema && { schema }),
    examples: {
      ...(tus !== undefined && { tus: { value: tus } }),
      ...(ietf !== undefined && { ietf: { value: ietf } }),
    },
  })
}

/** What belongs to the draft alone begins with its name. */
const IETF = 'IETF: '

/** Parameters by what they are. */
export const said = {
  id: pathId(
    'id',
    'Of the upload: Location of its creation has it.',
    '0b6c2f7e-1b1f-4f0c-9a44-3f1f4d9e7a10',
  ),
  tusResumable: sent('Tus-Resumable', 'tus: the version.', { tus: '1.0.0' }),
  length: sent('Upload-Length', 'Bytes of the whole.', { tus: '16', ietf: '16' }, number),
  lengthLater: header('Upload-Length', 'Bytes of the whole, where they were not known.', {
    schema: number,
  }),
  deferLength: header('Upload-Defer-Length', 'tus: `1`, in the place of a length.'),
  offset: sent('Upload-Offset', 'Where these bytes belong.', { tus: '6', ietf: '6' }, number),
  metadata: sent('Upload-Metadata', 'Keys with values in base64, by commas.', {
    tus: 'filename Z3JlZXRpbmcudHh0',
  }),
  concat: header('Upload-Concat', 'tus: `partial`, or `final;` and the URLs of the parts.'),
  checksum: header('Upload-Checksum', 'tus: algorithm and base64 digest of the body.'),
  override: {
    ...sent(
      'X-HTTP-Method-Override',
      'tus: PATCH, DELETE or HEAD, sent as a POST.',
      { tus: 'HEAD' },
      { type: 'string', enum: ['PATCH', 'DELETE', 'HEAD'] },
    ),
    required: true,
  },
  complete: sent('Upload-Complete', `${IETF}\`?1\` where the body ends the upload.`, {
    ietf: '?1',
  }),
  interop: sent('Upload-Draft-Interop-Version', `${IETF}the draft that is spoken.`, {
    ietf: '10',
  }),
  disposition: sent('Content-Disposition', `${IETF}the file name.`, {
    ietf: 'attachment; filename="greeting.txt"',
  }),
  reprDigest: header('Repr-Digest', `${IETF}digest of the whole, verified before it counts.`),
}

/** Parameters without those, and the examples, of a draft that is not spoken here. */
export function spoken(resumableHttp: boolean, ...parameters: Parameter[]): Parameter[] {
  if (resumableHttp) return parameters
  return parameters
    .filter(({ description }) => !description?.startsWith(IETF))
    .map((parameter) => {
      const { ietf: _, ...examples } = parameter.examples ?? {}
      return parameter.examples ? { ...parameter, examples } : parameter
    })
}

const offset = responseHeader('Bytes that are stored: to go on from.', number)

/** Headers that tell how far an upload has come. */
export function stateHeaders(resumableHttp: boolean): NonNullable<ResponseObject['headers']> {
  return {
    'Upload-Offset': offset,
    'Upload-Length': responseHeader('Bytes of the whole, where they are known.', number),
    ...(resumableHttp && {
      'Upload-Complete': responseHeader('IETF: `?1` for an upload that is complete.'),
      'Upload-Limit': responseHeader('IETF: limits, and how long the upload lives.'),
    }),
    'Upload-Expires': responseHeader('tus: when an unfinished upload ends.'),
    'Landfall-Media-File': responseHeader('With the last byte: id of the record.', number),
    'Landfall-Media-Url': responseHeader('With the last byte: URL of the bytes.'),
  }
}

/** Refusals in words of both protocols, for `components.responses`. */
export function uploadResponses(resumableHttp: boolean): Record<string, ResponseObject> {
  const problem = resumableHttp && { 'application/problem+json': { schema: ref('Problem') } }
  return {
    UploadRefused: {
      description:
        'Refused: tus gets a line of text, and `Upload-Offset` where the client can go on' +
        (resumableHttp ? '; IETF gets problem details.' : '.'),
      headers: { 'Upload-Offset': offset },
      content: {
        'text/plain': { schema: { type: 'string' }, example: 'Not found.\n' },
        ...problem,
      },
    },
    UploadUnauthorized: {
      description: 'No token, or one that is not valid.',
      headers: { 'WWW-Authenticate': responseHeader('The scheme.', { type: 'string' }, true) },
      content: { 'application/json': { schema: ref('Error') }, ...problem },
    },
  }
}

export function refusing(...statuses: number[]): Operation['responses'] {
  const refusal = { $ref: '#/components/responses/UploadRefused' }
  return {
    401: { $ref: '#/components/responses/UploadUnauthorized' },
    ...Object.fromEntries(statuses.map((status) => [status, refusal])),
  }
}

/** What the IETF draft answers when a file is complete. */
export const record = (access: string): NonNullable<ResponseObject['content']> => ({
  'application/json': { schema: ref('MediaFile'), example: mediaFileExample(access) },
})

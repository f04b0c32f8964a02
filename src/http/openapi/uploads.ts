import { byteAnswers, byteParameters } from './media.ts'
import { nothing, type Operation, type Paths, refused, responseHeader } from './parts.ts'
import { record, refusing, said, spoken, stateHeaders } from './upload-words.ts'

const tags = ['Resumable uploads']
const text = 'Hello, Landfall!'
const bytes = { type: 'string', contentMediaType: 'application/octet-stream' }
const forbidden = { 403: { $ref: '#/components/responses/Forbidden' } }

/**
 * @param resumableHttp RESUMABLE_HTTP: the IETF protocol is spoken here too.
 * @param access MEDIA_ACCESS
 */
export function uploadPaths(resumableHttp: boolean, access: string): Paths {
  return {
    '/files/': { post: create(resumableHttp, access), options: discover(resumableHttp) },
    '/files/{id}': {
      head: inquire(resumableHttp),
      patch: append(resumableHttp, access),
      delete: terminate(resumableHttp),
      post: override(resumableHttp),
      get: {
        operationId: 'downloadUpload',
        tags,
        summary: 'Read the bytes of a finished upload',
        description: 'For its owner, staff and admins.',
        parameters: [said.id, ...byteParameters],
        responses: { ...byteAnswers, ...refusing(404, 410, 423, 503), ...refused(416) },
      },
    },
  }
}

function create(resumableHttp: boolean, access: string): Operation {
  const draft = ', and the IETF draft “Resumable Uploads for HTTP”; with Tus-Resumable it is tus.'
  return {
    operationId: 'createUpload',
    tags,
    summary: 'Begin an upload',
    description:
      `tus 1.0 with all its extensions${resumableHttp ? draft : '.'} Bytes may come along. ` +
      'Metadata: `filename`, `filetype`, `description`, `session`, `sha256`, `md5`.',
    parameters: spoken(
      resumableHttp,
      said.tusResumable,
      said.length,
      said.deferLength,
      said.metadata,
      said.concat,
      said.complete,
      said.interop,
      said.disposition,
      said.reprDigest,
      said.checksum,
    ),
    requestBody: {
      required: false,
      content: {
        'application/offset+octet-stream': {
          schema: bytes,
          examples: { tus: { summary: 'The first bytes', value: text.slice(0, 6) } },
        },
        ...(resumableHttp && {
          'text/plain': {
            schema: bytes,
            examples: { ietf: { summary: 'A whole file', value: text } },
          },
        }),
      },
    },
    responses: {
      201: {
        description: `The upload is begun${resumableHttp ? '; IETF, where it is complete: its record.' : '.'}`,
        headers: {
          Location: responseHeader('URL of the upload.', { type: 'string' }, true),
          ...stateHeaders(resumableHttp),
        },
        ...(resumableHttp && { content: record(access) }),
      },
      ...refusing(400, 404, 412, 413, 415, 423, 429, 460, 503, 507),
      ...forbidden,
    },
  }
}

function discover(resumableHttp: boolean): Operation {
  const limit = {
    'Upload-Limit': responseHeader('The limits, in words of the IETF draft.'),
  }
  return {
    operationId: 'discoverUploads',
    tags,
    summary: 'What the server can do',
    security: [],
    responses: {
      200: nothing('In headers.', {
        'Tus-Version': responseHeader('The versions of tus.', { type: 'string' }, true),
        'Tus-Extension': responseHeader('Its extensions.', { type: 'string' }, true),
        'Tus-Checksum-Algorithm': responseHeader('Algorithms of Upload-Checksum.'),
        'Tus-Max-Size': responseHeader('Bytes of the largest upload.'),
        ...(resumableHttp && limit),
      }),
    },
  }
}

function inquire(resumableHttp: boolean): Operation {
  const state = stateHeaders(resumableHttp)
  return {
    operationId: 'getUploadOffset',
    tags,
    summary: 'How far an upload has come',
    parameters: spoken(resumableHttp, said.id, said.tusResumable, said.interop),
    responses: {
      200: nothing('tus: its state.', state),
      ...(resumableHttp && { 204: nothing('IETF: its state.', state) }),
      401: nothing('No token, or one that is not valid.'),
      404: nothing('There is none, or it belongs to somebody else.'),
      410: nothing('It has expired or was removed.'),
      412: nothing('tus: another version.'),
      423: nothing('It is in use, or being finished: ask again.'),
      503: nothing('Database or storage is away for a moment, or the server is restarting.'),
    },
  }
}

function append(resumableHttp: boolean, access: string): Operation {
  const state = stateHeaders(resumableHttp)
  return {
    operationId: 'appendToUpload',
    tags,
    summary: 'Send bytes',
    description:
      'What arrived is kept when the line is cut. The answer to the last byte comes after the file ' +
      'is in the library.',
    parameters: spoken(
      resumableHttp,
      said.id,
      said.tusResumable,
      said.offset,
      said.lengthLater,
      said.complete,
      said.interop,
      said.checksum,
    ),
    requestBody: {
      required: true,
      content: {
        'application/offset+octet-stream': {
          schema: bytes,
          examples: { tus: { value: text.slice(6) } },
        },
        ...(resumableHttp && {
          'application/partial-upload': {
            schema: bytes,
            examples: { ietf: { value: text.slice(6) } },
          },
        }),
      },
    },
    responses: {
      204: nothing('They are stored.', state),
      ...(resumableHttp && {
        201: {
          description: 'IETF: the upload is complete.',
          headers: state,
          content: record(access),
        },
      }),
      ...refusing(400, 404, 409, 410, 412, 413, 415, 423, 460, 503, 507),
      ...forbidden,
    },
  }
}

function terminate(resumableHttp: boolean): Operation {
  return {
    operationId: 'terminateUpload',
    tags,
    summary: 'Remove an upload, and the media file that it became',
    parameters: spoken(resumableHttp, said.id, said.tusResumable, said.interop),
    responses: { 204: nothing('It is gone.'), ...refusing(404, 410, 412, 423, 503) },
  }
}

function override(resumableHttp: boolean): Operation {
  const state = stateHeaders(resumableHttp)
  return {
    operationId: 'overrideMethod',
    tags,
    summary: 'For clients behind firewalls that know only POST',
    parameters: [said.id, said.tusResumable, said.override],
    responses: {
      200: nothing('HEAD: the state.', state),
      204: nothing('PATCH or DELETE: it is done.', state),
      ...refusing(404, 405, 409, 410, 412, 423, 503),
    },
  }
}

import { Readable } from 'node:stream'
import {
  type CancellationContext,
  type DataStore,
  type Upload as EngineUpload,
  Server,
  type ServerOptions,
} from '@tus/server'
import { Fault, type Reason } from '../../errors.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import type { Exchange, Exchanges } from './exchange.ts'
import { CoreStore } from './store.ts'

const NO_BYTES = Readable.from([])
const keyOf = ({ url }: { url: string }) => url.slice(url.lastIndexOf('/') + 1)

/** The engine, with everything that it would do on its own taken over by the core. */
export class Engine extends Server {
  constructor(options: ServerOptions & { datastore: DataStore }) {
    super(options)
    const { datastore } = options
    // The engine's would lead an empty stream through four others before it asks the store.
    const writeToStore = (_body: null, upload: EngineUpload) =>
      datastore.write(NO_BYTES, upload.id, upload.offset)
    for (const handler of [this.handlers.POST, this.handlers.PATCH])
      Object.assign(handler, { writeToStore })
  }

  /**
   * The engine aborts its streams when a lock is asked for or an error is thrown. Ours carry no
   * bytes, and the core stops its own reading: an abort would only unlock before the bytes that
   * arrived are stored.
   */
  protected override createContext(): CancellationContext {
    return { signal: new AbortController().signal, abort() {}, cancel() {} }
  }
}

export function createEngine<P>(
  uploads: Uploads<P>,
  exchanges: Exchanges<P>,
  options: { path: string; maxSize: number | null },
): Engine {
  return new Engine({
    path: options.path,
    datastore: new CoreStore(uploads, exchanges),
    maxSize: options.maxSize ?? 0,
    namingFunction: keyOf,
    generateUrl: (_request, { id }) => exchanges.of(id).url,
    getFileIdFromRequest: keyOf,
    locker: { newLock: (key) => lockOf(uploads, exchanges.of(key)) },
    onResponseError(request, error) {
      // Kept for the door, which renders it; the engine's own answer is thrown away.
      exchanges.of(keyOf(request)).error = error
      return { status_code: 500, body: '' }
    },
  })
}

/**
 * A new upload is locked only when its body is written: before that nobody knows its id, and the
 * core locks an empty one itself to finish it.
 */
function lockOf<P>(uploads: Uploads<P>, exchange: Exchange<P>) {
  return {
    async lock() {
      if (exchange.creation) return
      exchange.lock = await uploads.lock(exchange.id, { signal: exchange.clientGone })
    },
    async unlock() {
      exchange.lock?.release()
    },
  }
}

const REASONS: Record<number, Reason> = {
  400: 'bad-request',
  403: 'bad-request',
  404: 'not-found',
  409: 'offset-mismatch',
  410: 'upload-ended',
  413: 'too-large',
}

/** The engine throws plain objects; what it means is in their status. Anything else is unexpected. */
export function asFaultOfEngine<P>(error: unknown, { progress }: Exchange<P>): unknown {
  if (error instanceof Error) return error
  const { status_code: status, body } = error as { status_code?: number; body?: string }
  const reason = status === undefined ? undefined : REASONS[status]
  if (reason === undefined) return new Error('the tus engine failed', { cause: error })
  const offset = progress?.upload.offset
  return reason === 'bad-request'
    ? new Fault(reason, { text: body?.trim() ?? '' })
    : new Fault(reason, offset === undefined ? {} : { offset })
}

import { DataStore, Upload as EngineUpload } from '@tus/server'
import { Fault } from '../../errors.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import { verificationOf } from './checksum.ts'
import type { Exchanges } from './exchange.ts'

export const EXTENSIONS = [
  'creation',
  'creation-with-upload',
  'creation-defer-length',
  'termination',
  'expiration',
  'checksum',
  'checksum-trailer',
  'concatenation',
  'concatenation-unfinished',
]

/**
 * The engine's view of the uploads core. Expiry, quota, ownership and the last byte's consequences
 * are the core's; the engine is told a lifetime of 0 so that it does not judge by creation date.
 */
export class CoreStore<P> extends DataStore {
  readonly #uploads: Uploads<P>
  readonly #exchanges: Exchanges<P>

  constructor(uploads: Uploads<P>, exchanges: Exchanges<P>) {
    super()
    this.extensions = EXTENSIONS
    this.#uploads = uploads
    this.#exchanges = exchanges
  }

  override async create(file: EngineUpload): Promise<EngineUpload> {
    const exchange = this.#exchanges.of(file.id)
    if (exchange.creation === undefined) throw new Error('a creation without its headers')
    const { size, facts, purpose, body } = exchange.creation
    const upload = { ...facts, size, purpose, door: 'tus', id: exchange.id }
    if (body === null) exchange.progress = await this.#uploads.create(exchange.actor, upload)
    else {
      const { lock, ...progress } = await this.#uploads.createHeld(exchange.actor, upload)
      Object.assign(exchange, { lock, progress })
    }
    return file
  }

  override async getUpload(key: string): Promise<EngineUpload> {
    const exchange = this.#exchanges.of(key)
    if (exchange.lock === undefined) throw new Error('an upload was looked at without its lock')
    exchange.progress = await this.#uploads.current(exchange.lock)
    const { size, offset, createdAt } = exchange.progress.upload
    return new EngineUpload({
      id: key,
      offset,
      creation_date: createdAt,
      ...(size === null ? {} : { size }),
    })
  }

  /** The engine's stream is empty: the bytes are taken from Node's own request. */
  override async write(_stream: unknown, key: string, offset: number): Promise<number> {
    const exchange = this.#exchanges.of(key)
    exchange.lock ??= await this.#uploads.lock(exchange.id, { signal: exchange.clientGone })
    let { upload } = exchange.progress ?? (await this.#uploads.current(exchange.lock))
    const declared = exchange.patch?.declaredSize ?? null
    if (declared !== null && declared !== upload.size) {
      upload = await this.#uploads.declareSize(exchange.lock, upload, declared)
      exchange.progress = { upload, published: null }
    }
    const { length = null, checksum = null } = (exchange.patch ?? exchange.creation)?.body ?? {}
    exchange.progress = await this.#uploads.append(exchange.lock, upload, {
      offset,
      body: exchange.incoming,
      length,
      // "the uploaded chunk MUST be discarded, and the upload and its offset MUST NOT be updated"
      ...(checksum && { mode: 'whole', verify: verificationOf(checksum, exchange.incoming) }),
    })
    return exchange.progress.upload.offset
  }

  override async remove(key: string): Promise<void> {
    const { lock } = this.#exchanges.of(key)
    if (lock === undefined) throw new Fault('internal')
    await this.#uploads.terminate(lock)
  }
}

import type { Fault } from '../../errors.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Progress } from '../../uploads/uploads.ts'
import { requireOpen } from './answer.ts'
import type { ChunkedDeps, PublishedFile } from './deps.ts'
import { findUpload } from './find.ts'
import { type Sender, underLock } from './store.ts'
import { alreadyComplete, notFinished } from './words.ts'

/** What a client says the whole file must have. */
export interface ExpectedDigest {
  algorithm: string
  /** Hex, in either case. */
  hex: string
  /** The answer when it has not. */
  differs: () => Fault
}

/** Completes an upload by the digest of all its bytes. A wrong one leaves it as it is. */
export async function completeUpload<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  sender: Sender,
  id: string,
  expected: ExpectedDigest,
): Promise<Progress<P>> {
  const found = await findUpload(deps, sender.actor, id)
  requireOpen(found, deps.now())
  return underLock(deps, found.id, sender.gone, async (lock) => {
    const progress = await deps.uploads.current(lock)
    if (progress.published === null) return finish(deps, lock, progress.upload, expected)
    // What could not be published at the first try, and was now, is what this request asks for.
    if (found.state === 'complete') return progress
    throw alreadyComplete()
  })
}

/** The digest has run along with the bytes: asking for it takes no time. */
export async function finish<P extends PublishedFile>(
  { uploads }: Pick<ChunkedDeps<P>, 'uploads'>,
  lock: HeldLock,
  upload: Upload,
  { algorithm, hex, differs }: ExpectedDigest,
): Promise<Progress<P>> {
  const { size, offset } = upload
  if (offset !== size) throw notFinished(size, offset)
  if ((await uploads.digest(upload, algorithm)) !== hex.trim().toLowerCase()) throw differs()
  return uploads.finish(lock, upload)
}

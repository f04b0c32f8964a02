import type { Actor } from '../../auth/actor.ts'
import { Fault } from '../../errors.ts'
import { IMPORT_DOOR, type Upload } from '../../uploads/upload.ts'
import type { ChunkedDeps, PublishedFile } from './deps.ts'

/** What the uploads core knows this door as. */
export const DOOR = 'chunked'

/** Whose uploads it shows: a Django project's were imported with their ids, which clients keep. */
export const SHOWN: readonly string[] = [DOOR, IMPORT_DOOR]

/** An upload of this door that this actor may know of; `not-found` for every other id. */
export async function findUpload<P extends PublishedFile>(
  { uploads, settings }: Pick<ChunkedDeps<P>, 'uploads' | 'settings'>,
  actor: Actor,
  id: string,
): Promise<Upload> {
  const upload = await uploads.find(actor, canonical(id), { shared: !settings.userRestricted })
  if (!SHOWN.includes(upload.door) || upload.state === 'creating') throw new Fault('not-found')
  return upload
}

/** A UUID in lower case and with dashes; the source takes it without them, too. */
function canonical(id: string): string {
  return id.toLowerCase().replace(/^(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})$/, '$1-$2-$3-$4-$5')
}

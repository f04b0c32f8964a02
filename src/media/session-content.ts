import { Fault } from '../errors.ts'
import { type AcceptedFormats, accepts, fitsName, mayBeAccepted } from './accept.ts'
import { extensionOf, type Hints, mimeOfName } from './extensions.ts'
import type { FileKind } from './file-types.ts'
import { sniff } from './sniff.ts'

/** Before the bytes: whether files with this extension can be accepted at all. */
export function requireSessionExtension(accepted: AcceptedFormats | null, filename: string): void {
  if (accepted === null || mayBeAccepted(accepted, { name: filename, declaredType: null })) return
  const extension = extensionOf(filename)
  throw refused(
    `Files with "${extension}" extension are not allowed.`,
    `The file "${filename}" has an invalid extension (.${extension})`,
  )
}

/** With the bytes: the content is what the extension says, and it is accepted. */
export function refuseSessionContent(
  accepted: AcceptedFormats | null,
  filename: string,
  found: FileKind,
): Fault | null {
  const { type, mimeType } = found
  if (!fitsName(filename, { type, mimeType })) return mismatch(filename, mimeType)
  if (accepted === null || accepts(accepted, { type, mimeType, name: filename })) return null
  return refused(
    `Files of type "${mimeType}" are not allowed.`,
    `The file "${filename}" has the MIME type "${mimeType}", which is not allowed`,
  )
}

/** With the first bytes, which make it certain that the file is refused: why. */
export async function refuseSessionPrefix(prefix: Uint8Array, hints: Hints): Promise<Fault> {
  for (const { type, mimeType } of await sniff(prefix, hints)) {
    if (mimeType === null) continue
    const fault = refuseSessionContent(null, hints.name, { type, mimeType })
    if (fault) return fault
  }
  return new Fault('type-not-accepted')
}

function mismatch(filename: string, detected: string): Fault {
  const expected = mimeOfName(filename) ?? ''
  return refused(
    `File MIME type mismatch. Expected "${expected}" but got "${detected}".`,
    `The file "${filename}" has MIME type "${detected}" but expected "${expected}"`,
  )
}

function refused(text: string, verboseError: string): Fault {
  return new Fault('type-not-accepted', { text, members: { verboseError } })
}

import { type HeaderReader, isPartialUpload } from './request.ts'

const FIELDS = ['upload-complete', 'upload-incomplete', 'upload-draft-interop-version']

/**
 * Whose request this is, on paths that two protocols share. One with Tus-Resumable is tus, one with
 * a field of the draft or its media type is `ours`. The rest is `unsaid` and depends on the protocol
 * that the upload was made with; so does every GET, since a file can be read whoever brought it.
 */
export function claimOf(method: string, header: HeaderReader): 'ours' | 'theirs' | 'unsaid' {
  if (header('tus-resumable') !== undefined) return 'theirs'
  if (method === 'GET') return 'unsaid'
  return isPartialUpload(header) || namesTheDraft(header) ? 'ours' : 'unsaid'
}

/** Whether the client has said that it knows the draft: its GET asks for the state, not the file. */
export function namesTheDraft(header: HeaderReader): boolean {
  return FIELDS.some((name) => header(name) !== undefined)
}

/** The value of an Upload-Concat header. */
export type UploadConcat = { kind: 'partial' } | { kind: 'final'; urls: string[] }

/**
 * Reads a tus 1.0 Upload-Concat: "If the upload is a partial one, the header value MUST be
 * `partial`. In the case of a final upload, its value MUST be `final` followed by a semicolon and a
 * space-separated list of partial upload URLs". More spaces than one between URLs are accepted; the
 * list may be empty here. Null for anything else.
 */
export function parseUploadConcat(text: string): UploadConcat | null {
  if (text === 'partial') return { kind: 'partial' }
  if (!text.startsWith('final;')) return null
  const urls = text.slice('final;'.length).split(' ')
  return { kind: 'final', urls: urls.filter((url) => url !== '') }
}

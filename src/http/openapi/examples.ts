const origin = 'https://files.example.org'
const key = 'Vt8mZk1sQeGf0n2uXyB7Lw'
const signature = 'expires=1772690400&signature=2v0cJ5mQ8wYt3kXr7bNf1LzHs6GdPa9eUiOqTgVxM4A'

/**
 * URL of the bytes of a file, as records have it.
 *
 * @param access MEDIA_ACCESS
 */
export function mediaUrlExample(access: string, name = 'holiday.jpg'): string {
  const url = `${origin}/media/${key}/${name}`
  return access === 'signed' ? `${url}?${signature}` : url
}

/** A link that can be handed on; where media URLs are not public, it is signed and ends. */
export function linkExample(access: string) {
  const isPublic = access === 'public'
  const query = isPublic ? 'download=1' : `${signature}&download=1`
  return {
    url: `${mediaUrlExample('public')}?${query}`,
    expires_at: isPublic ? null : '2026-03-05T06:00:00Z',
  }
}

export function mediaFileExample(access: string) {
  return {
    id: 17,
    type: 'image',
    user: { id: 3, username: 'anna', full_name: 'Anna Berg' },
    f: mediaUrlExample(access),
    name: 'holiday.jpg',
    description: '',
    size: 2621440,
    human_readable_size: '2.5 MB',
    width: 4032,
    height: 3024,
    mode: 'RGB',
    mime_type: 'image/jpeg',
    digest: null,
    created_at: '2026-03-04T05:06:07.123456Z',
    updated_at: '2026-03-04T05:06:07.123456Z',
  }
}

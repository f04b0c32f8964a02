/** Where the visitor is: all of it stands in the URL, so that a reload or a link leads there. */
export interface Place {
  page: 'library' | 'sessions' | 'accounts'
  view: 'grid' | 'list'
  /** The id of the file that is shown large. */
  file: number | null
  /** Search, filters and ordering, as the API names them; none is empty. */
  query: Readonly<Record<string, string>>
}

/** The parameters of `GET /api/media/files` that the page keeps. */
export const queryNames = [
  'search',
  'ordering',
  'type',
  'user_id',
  'size_min',
  'size_max',
  'width_min',
  'width_max',
  'height_min',
  'height_max',
  'id_min',
  'id_max',
  'created_date',
  'updated_date',
  'created_from',
  'created_to',
  'updated_from',
  'updated_to',
] as const

export function readPlace(search: string): Place {
  const params = new URLSearchParams(search)
  const page = params.get('page')
  const file = params.get('file') ?? ''
  const given = queryNames.map((name) => [name, params.get(name)?.trim() ?? ''] as const)
  return {
    page: page === 'sessions' || page === 'accounts' ? page : 'library',
    view: params.get('view') === 'list' ? 'list' : 'grid',
    file: /^\d{1,15}$/.test(file) ? Number(file) : null,
    query: Object.fromEntries(given.filter(([, value]) => value !== '')),
  }
}

/** What `readPlace` reads; `''` for the place where everybody begins. */
export function writePlace({ page, view, file, query }: Place): string {
  const params = new URLSearchParams()
  if (page !== 'library') params.set('page', page)
  if (view !== 'grid') params.set('view', view)
  for (const name of queryNames) if (query[name]) params.set(name, query[name])
  if (file !== null) params.set('file', String(file))
  const text = params.toString().replaceAll('%2C', ',')
  return text === '' ? '' : `?${text}`
}

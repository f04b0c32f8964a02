/** A stretch of a list, as Django REST framework's LimitOffsetPagination has it. */
export interface Paging {
  /** 1 to 1000. */
  limit: number
  /** As large as the client likes: more than Postgres, or a JavaScript number, can count. */
  offset: bigint
}

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 1_000

/** The value of a parameter; of a repeated one the last, as in Django; `''` where there is none. */
export function lastOf(params: URLSearchParams, name: string): string {
  return params.getAll(name).at(-1) ?? ''
}

/**
 * An integer of any length as Python's `int()` and Django's forms take it: space around it and a
 * sign are fine, a fraction or an exponent is not. Null for anything else.
 */
export function parseAnyInteger(text: string): bigint | null {
  const match = /^\s*([+-]?)([0-9]+)\s*$/.exec(text)
  if (match === null) return null
  const magnitude = BigInt(match[2] ?? '')
  return match[1] === '-' ? -magnitude : magnitude
}

/**
 * Reads `limit` (10, at most 1000) and `offset` (0) as DRF's LimitOffsetPagination does: zero,
 * negative or not a number means the default, more than the maximum means the maximum.
 */
export function parsePaging(params: URLSearchParams): Paging {
  const limit = parseAnyInteger(lastOf(params, 'limit')) ?? 0n
  const offset = parseAnyInteger(lastOf(params, 'offset')) ?? 0n
  return {
    limit: limit <= 0n ? DEFAULT_LIMIT : limit > MAX_LIMIT ? MAX_LIMIT : Number(limit),
    offset: offset < 0n ? 0n : offset,
  }
}

/**
 * The links to the pages beside this one, null where there is none. They keep every other
 * parameter, keys in alphabetical order, form-encoded; the link to the first page has no `offset`.
 *
 * @param url absolute, without a query.
 */
export function pageLinks(
  url: string,
  params: URLSearchParams,
  paging: Paging,
  count: number,
): { next: string | null; previous: string | null } {
  const { offset } = paging
  const limit = BigInt(paging.limit)
  const link = (to: bigint) => {
    const groups = groupByKey(params)
    groups.set('limit', [String(limit)])
    if (to > 0n) groups.set('offset', [String(to)])
    else groups.delete('offset')
    return `${url}?${encodeForm(groups)}`
  }
  return {
    next: offset + limit < BigInt(count) ? link(offset + limit) : null,
    previous: offset > 0n ? link(offset - limit) : null,
  }
}

function groupByKey(params: URLSearchParams): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const [key, value] of params) {
    const values = groups.get(key)
    if (values) values.push(value)
    else groups.set(key, [value])
  }
  return groups
}

/**
 * As Python's `urlencode(sorted(…))` writes it: URLSearchParams would sort by UTF-16 unit and
 * encode `~` but not `*`, so that links would differ from those of the framework we stand in for.
 */
function encodeForm(groups: Map<string, string[]>): string {
  return [...groups]
    .sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
    .flatMap(([key, values]) => values.map((value) => `${encode(key)}=${encode(value)}`))
    .join('&')
}

function encode(text: string): string {
  // encodeURIComponent leaves these marks alone, and throws on a lone surrogate.
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

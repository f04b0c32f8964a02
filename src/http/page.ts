import type { Context } from 'hono'
import type { Env } from '../protocols/env.ts'
import { pageLinks, parsePaging } from '../wire/paging.ts'

/** A stretch of a list, in numbers that the database can count. */
export interface Slice {
  limit: number
  offset: number
}

/**
 * One page of a list, in the shape of DRF's LimitOffsetPagination.
 *
 * @param origin scheme and host for the links between pages, without a slash at the end.
 */
export async function answerPage<Item>(
  c: Context<Env>,
  origin: string,
  toJson: (item: Item) => object,
  list: (slice: Slice) => Promise<{ count: number; items: Item[] }>,
): Promise<Response> {
  const params = new URL(c.req.url).searchParams
  const paging = parsePaging(params)
  // Postgres counts further than a number does; there is nothing out there anyway.
  const offset = Number(paging.offset > 2n ** 53n ? 2n ** 53n : paging.offset)
  const { count, items } = await list({ limit: paging.limit, offset })
  const links = pageLinks(`${origin}${c.req.path}`, params, paging, count)
  return c.json({ count, ...links, results: items.map(toJson) })
}

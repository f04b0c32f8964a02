import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Context } from 'hono'
import { Fault } from '../errors.ts'
import type { Env } from '../protocols/env.ts'
import { evaluatePreconditions } from '../wire/conditional.ts'

/** A file that the build has made. */
export interface Asset {
  type: string
  plain: Buffer
  zipped: Buffer
  etag: string
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

/** Browsers keep what has its hash in its name, and ask about a page at each visit. */
export const assetCache = { hashed: 'public, max-age=31536000, immutable', page: 'no-cache' }

/**
 * Files of one folder, each read and compressed once: those of one build never change while it is
 * served. Null where there is none. The name is trusted.
 */
export function assetLoader(folder: string): (name: string) => Promise<Asset | null> {
  const loaded = new Map<string, Promise<Asset>>()
  return async function load(name) {
    const loading = loaded.get(name) ?? read(path.join(folder, name))
    loaded.set(name, loading)
    try {
      return await loading
    } catch {
      loaded.delete(name)
      return null
    }
  }
}

async function read(file: string): Promise<Asset> {
  const type = TYPES[path.extname(file)] ?? 'application/octet-stream'
  return assetOf(await readFile(file), type)
}

/**
 * Bytes that are sent again and again.
 *
 * @param level of gzip: 9, the default, for what is compressed once; 1 for what others can have made
 * anew.
 */
export async function assetOf(plain: Buffer, type: string, level = 9): Promise<Asset> {
  const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 22)
  // One compressed form has one tag with the plain one, so it is a weak one (RFC 9110 §8.8.1).
  return { type, plain, zipped: await promisify(gzip)(plain, { level }), etag: `W/"${hash}"` }
}

/** Answers a GET or HEAD; `not-found` where there is no asset. */
export function answerAsset(
  c: Context<Env>,
  asset: Asset | null,
  headers: Record<string, string>,
): Response {
  if (asset === null) throw new Fault('not-found')
  const { type, plain, zipped, etag } = asset
  const shared = { ...headers, ETag: etag, Vary: 'Accept-Encoding' }
  const verdict = evaluatePreconditions(
    { method: c.req.method, ifNoneMatch: c.req.header('if-none-match') },
    { etag, lastModified: new Date(0) },
  )
  if (verdict === 'not-modified') return c.body(null, 304, shared)
  const zips = /(?:^|[,\s])(?:gzip|\*)(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(
    c.req.header('accept-encoding') ?? '',
  )
  const bytes = zips ? zipped : plain
  return c.body(new Uint8Array(bytes), 200, {
    ...shared,
    'Content-Type': type,
    'Content-Length': String(bytes.length),
    'X-Content-Type-Options': 'nosniff',
    ...(zips && { 'Content-Encoding': 'gzip' }),
  })
}

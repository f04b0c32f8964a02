import { type Context, Hono } from 'hono'
import type { Env } from '../protocols/env.ts'
import { type Asset, answerAsset, assetCache, assetLoader, assetOf } from './assets.ts'
import { methods } from './methods.ts'
import { type ApiDescription, describeApi } from './openapi/document.ts'

export interface DocsDeps {
  /** Where `npm run build` has put the page that shows the description. */
  folder: string
  api: ApiDescription
  /** Scheme and host of the server, without a slash at the end. */
  originOf: (c: Context<Env>) => string
  /** Whether that is the same for whatever Host a request names (PUBLIC_URL). */
  oneOrigin: boolean
}

/** Descriptions that are kept: one for each name by which the server is asked. */
const KEPT = 8

/**
 * The API described: `/openapi.json`, and `/docs`, which shows it. Open to everybody. To be mounted
 * at `/`.
 */
export function docsRoutes({ folder, api, oneOrigin, originOf }: DocsDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const document = JSON.stringify(describeApi(api))
  const described = new Map<string, Promise<Asset>>()

  function describe(origin: string): Promise<Asset> {
    const known = described.get(origin)
    if (known) return known
    // Whoever asks decides on the Host: not all of their inventions are to be kept.
    if (described.size >= KEPT) described.clear()
    const text = `${document.slice(0, -1)},"servers":${JSON.stringify([{ url: origin }])}}`
    // Nor is each to cost much work: it takes no token to have one made.
    const made = assetOf(Buffer.from(text), 'application/json', oneOrigin ? 9 : 1)
    described.set(origin, made)
    return made
  }

  app.all(
    '/openapi.json',
    methods({
      GET: async (c) =>
        answerAsset(c, await describe(originOf(c)), { 'Cache-Control': assetCache.page }),
    }),
  )

  const load = assetLoader(folder)
  app.all(
    '/docs',
    methods({
      GET: async (c) =>
        answerAsset(c, await load('index.html'), {
          'Cache-Control': assetCache.page,
          'Content-Security-Policy': contentSecurityPolicy(originOf(c)),
          'Cross-Origin-Opener-Policy': 'same-origin',
          'Referrer-Policy': 'no-referrer',
        }),
    }),
  )
  app.all(
    '/docs/:name',
    methods({
      async GET(c) {
        const name = c.req.param('name') ?? ''
        // A name that the build makes, and so none that leads out of the folder.
        const known = /^[a-z-]+-[0-9a-f]{12}\.(?:js|css)$/.test(name)
        const asset = known ? await load(name) : null
        return answerAsset(c, asset, { 'Cache-Control': assetCache.hashed })
      },
    }),
  )
  return app
}

/** Our own files only; requests that are tried out go to the address in the description. */
function contentSecurityPolicy(origin: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self' ${origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

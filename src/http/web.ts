import path from 'node:path'
import { Hono } from 'hono'
import type { Env } from '../protocols/env.ts'
import { answerAsset, assetCache, assetLoader } from './assets.ts'
import { methods } from './methods.ts'

export interface WebDeps {
  /** Where `npm run build` has put the page. */
  folder: string
  /** Origins beside our own that media are served from: those of PUBLIC_URL and MEDIA_URL. */
  mediaOrigins: readonly string[]
}

/**
 * The page at `/` and its assets. To be mounted there; every other path is passed on. Whoever asks
 * gets it: it holds nothing, and asks the API with the token that is typed into it.
 */
export function webRoutes({ folder, mediaOrigins }: WebDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const policy = contentSecurityPolicy(mediaOrigins)
  const load = assetLoader(folder)
  app.all(
    '/',
    methods({
      GET: async (c) =>
        answerAsset(c, await load('index.html'), {
          'Cache-Control': assetCache.page,
          'Content-Security-Policy': policy,
          'Cross-Origin-Opener-Policy': 'same-origin',
          'Referrer-Policy': 'no-referrer',
        }),
    }),
  )
  app.all(
    '/assets/:name',
    methods({
      async GET(c) {
        const name = c.req.param('name') ?? ''
        // A name that esbuild makes, and so none that leads out of the folder.
        const known = /^\w+-[A-Z0-9]{8}\.(?:js|css)$/.test(name)
        const asset = known ? await load(path.join('assets', name)) : null
        return answerAsset(c, asset, { 'Cache-Control': assetCache.hashed })
      },
    }),
  )
  return app
}

/**
 * Nothing but our own files runs or is shown, and nothing at all is sent elsewhere. `blob:` is for
 * thumbnails and previews, which are fetched with the token; a PDF is shown in a frame of its own.
 */
function contentSecurityPolicy(mediaOrigins: readonly string[]): string {
  const origins = [...new Set(["'self'", ...mediaOrigins])].join(' ')
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${origins} blob: data:`,
    `media-src ${origins} blob:`,
    `connect-src ${origins}`,
    'frame-src blob:',
    'object-src blob:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

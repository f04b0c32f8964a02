import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'
import { build } from 'esbuild'
import { root } from './source.ts'

export interface ExamplePages {
  /** The page of an example that uploads to `server` with `token`. */
  urlOf(example: string, server: string, token: string): string
  close(): Promise<void>
}

const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

/**
 * Serves examples/ and node_modules/ from an origin of their own, as a site does that uploads to a
 * server elsewhere. `bundled` names the examples that are bundled first, with the same result as
 * the command of their README.
 */
export async function serveExamples(bundled: readonly string[] = []): Promise<ExamplePages> {
  const built = new Map<string, Uint8Array>()
  for (const example of bundled) {
    const folder = path.join(root, 'examples', example)
    const [main = ''] = (await readdir(folder)).filter((name) => /^main\.jsx?$/.test(name))
    const { outputFiles } = await build({
      entryPoints: [path.join(folder, main)],
      outdir: path.join(folder, 'built'),
      bundle: true,
      jsx: 'automatic',
      write: false,
    })
    for (const file of outputFiles) built.set(file.path, file.contents)
  }

  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const name = pathname.endsWith('/') ? `${pathname}index.html` : pathname
    const file = path.join(root, name)
    const open = /^\/(?:examples|node_modules)\//.test(name)
    const bytes = built.get(file) ?? (open ? await readFile(file).catch(() => null) : null)
    if (bytes === null) return void response.writeHead(404).end()
    const type = contentTypes[path.extname(name)] ?? 'application/octet-stream'
    response.writeHead(200, { 'Content-Type': type }).end(bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the pages have no port')

  return {
    urlOf: (example, uploadTo, token) =>
      `http://127.0.0.1:${address.port}/examples/${example}/` +
      `#${new URLSearchParams({ server: uploadTo, token })}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

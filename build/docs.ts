import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

/** Looks for no other server, and remembers no token. */
const START = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  validatorUrl: null,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
})
`

/**
 * Puts the page at `/docs` into `outDir`: Swagger UI, from its package, in files whose names change
 * with what is in them.
 */
export async function buildDocs(outDir: string): Promise<void> {
  const packageJson = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json')
  const from = (name: string) => readFile(path.join(path.dirname(packageJson), name), 'utf8')
  await rm(outDir, { recursive: true, force: true })
  await mkdir(outDir, { recursive: true })

  async function put(name: string, text: string): Promise<string> {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 12)
    const { name: stem, ext } = path.parse(name)
    await writeFile(path.join(outDir, `${stem}-${hash}${ext}`), text)
    return `/docs/${stem}-${hash}${ext}`
  }
  /** Its map is not shipped. */
  const withoutMap = (text: string) => text.replace(/\n?\/[/*]# sourceMappingURL=.*$/m, '')

  const bundle = await put('swagger-ui.js', withoutMap(await from('swagger-ui-bundle.js')))
  const style = await put('swagger-ui.css', withoutMap(await from('swagger-ui.css')))
  const start = await put('start.js', START)
  await writeFile(
    path.join(outDir, 'index.html'),
    `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Landfall: the API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="${style}">
  </head>
  <body>
    <div id="docs"></div>
    <script src="${bundle}"></script>
    <script src="${start}"></script>
  </body>
</html>
`,
  )
  // What the Apache License asks of whoever hands it on.
  for (const name of ['LICENSE', 'NOTICE', 'swagger-ui-bundle.js.LICENSE.txt'])
    await writeFile(path.join(outDir, name), await from(name))
}

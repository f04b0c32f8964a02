import { access } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeBlocksIn } from '../support/readme.ts'
import { filesBelow, root } from '../support/source.ts'

/** Of a page's blocks of code: which test runs how many, and why the others are not run. */
interface Accounted {
  run?: [count: number, by: string]
  not?: [count: number, why: string]
}

const SERVED = 'serves pages for a person to open; the test of the example serves them itself'
const INSTALLS = 'installs packages; the test has them and runs the program'

/**
 * Every block of sh, js, python or nginx that a reader may copy is run by a test, or stands here with
 * the reason. A new block fails this test until somebody has thought about it.
 */
const pages: Record<string, Accounted> = {
  // The test says itself which blocks it does not run.
  'README.md': { run: [12, 'test/protocol/readme.test.ts'] },
  'CONTRIBUTING.md': { not: [1, 'commands of npm; that they exist is checked in docs.test.ts'] },
  'docs/chunked.md': { run: [1, 'test/protocol/docs-snippets.test.ts'] },
  'docs/client.md': { run: [3, 'test/http/client-docs.test.ts'] },
  'docs/command-line.md': { run: [3, 'test/http/command-line-docs.test.ts'] },
  'docs/configuration.md': { run: [3, 'test/unit/config-reference.test.ts'] },
  'docs/deployment.md': {
    run: [2, 'test/meta/deployment.test.ts'],
    not: [6, 'wants Docker, or systemd and root'],
  },
  'docs/media-access.md': {
    run: [1, 'test/protocol/docs-snippets.test.ts'],
    not: [2, 'a setting; signing, which test/unit/media/links.test.ts writes out as well'],
  },
  'docs/migrating-from-drf-chunked-upload.md': {
    not: [4, 'wants a Django project; test/http/import-django.test.ts runs the same commands'],
  },
  'docs/migrating-from-tus-node-server.md': {
    not: [1, 'the commands of migrating-from-tusd.md with another folder'],
  },
  'docs/migrating-from-tusd.md': { run: [2, 'test/http/import-tus.test.ts'] },
  'docs/nginx.md': {
    run: [1, 'test/http/nginx.test.ts'],
    not: [1, 'settings, which the same test gives to the server'],
  },
  'docs/operations.md': {
    not: [3, 'test/faults/backup.test.ts does the same step by step, without rsync'],
  },
  'docs/performance.md': { not: [1, 'takes minutes to hours'] },
  'docs/releasing.md': { not: [1, 'wants the rights of whoever makes a release'] },
  'docs/replicas.md': { not: [1, 'a server that stays; test/http/workers.test.ts starts it'] },
  'docs/resumable-http.md': {
    not: [1, 'a transcript with answers; test/conformance makes its requests'],
  },
  'docs/upload-sessions.md': { run: [1, 'test/protocol/docs-snippets.test.ts'] },
  'docs/webhooks.md': {
    run: [2, 'test/http/webhooks-docs.test.ts'],
    not: [5, 'settings, and calls that test/http/webhooks.test.ts makes'],
  },
  'examples/blueimp/README.md': { not: [1, SERVED] },
  'examples/curl/README.md': { run: [1, 'test/protocol/curl-example.test.ts'] },
  'examples/dropzone/README.md': { not: [1, SERVED] },
  'examples/node/README.md': { not: [1, INSTALLS] },
  'examples/python-requests/README.md': { not: [1, INSTALLS] },
  'examples/react-uppy/README.md': { not: [1, SERVED] },
  'examples/tus-js-client/README.md': { not: [1, SERVED] },
  'examples/tuspy/README.md': { not: [1, INSTALLS] },
  'examples/uppy/README.md': { not: [1, SERVED] },
}

describe('blocks of code in the documents', () => {
  it('are run by a test, or it is said why not', async () => {
    const found = [
      'README.md',
      'CONTRIBUTING.md',
      ...(await filesBelow('docs', ['.md'])).map((file) => `docs/${file}`),
      ...(await filesBelow('examples', ['.md'])).map((file) => `examples/${file}`),
    ]
    const counts: Record<string, number> = {}
    for (const page of found) {
      const count = (await codeBlocksIn(page)).length
      if (count > 0) counts[page] = count
    }
    const accounted = Object.entries(pages).map(([page, { run = [0], not = [0] }]) => [
      page,
      run[0] + not[0],
    ])
    expect(counts, 'say in this file who runs the block, or why nobody does').toEqual(
      Object.fromEntries(accounted),
    )
  })

  it('are run by tests that exist', async () => {
    for (const { run } of Object.values(pages))
      if (run !== undefined) await access(path.join(root, run[1]))
  })
})

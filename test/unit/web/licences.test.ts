import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { buildPage } from '../../../build/page.ts'

it('hands on the licences of all that is bundled into the page', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-licences-'))
  try {
    await buildPage(folder)
    const licences = await readFile(path.join(folder, 'LICENSES.txt'), 'utf8')
    expect(
      licences.match(/^# [\w-]+ \d+\.\d+\.\d+.*$/gm)?.map((line) => line.split(' ')[1]),
    ).toEqual([
      'js-base64',
      'preact',
      'querystringify',
      'requires-port',
      'tus-js-client',
      'url-parse',
    ])
    expect(licences.match(/^.*Copyright .*\b\d{4}\b.*$/gm)?.length).toBeGreaterThanOrEqual(6)
    expect(licences).toContain('Redistributions in binary form must reproduce')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { arrivedFiles } from '../support/arrived.ts'
import { writeRandomFile } from '../support/big-file.ts'
import {
  describeInBrowser,
  limitUpload,
  startBrowser,
  type TestBrowser,
} from '../support/browser.ts'
import { type ExamplePages, serveExamples } from '../support/examples.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

const CHUNK = 2_000_000
/** Seven chunks, the last of one byte. */
const SIZE = 6 * CHUNK + 1

let server: TestServer
let proxy: CuttableProxy
let pages: ExamplePages
let browser: TestBrowser
let folder: string

describeInBrowser('jQuery File Upload in a browser', () => {
  beforeAll(async () => {
    ;[server, proxy, pages, browser] = await Promise.all([
      startServer(),
      startProxy(),
      serveExamples(),
      startBrowser(),
    ])
    proxy.pointTo(server.url)
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-blueimp-'))
  })
  afterAll(async () => {
    await browser.close()
    await Promise.all([proxy.close(), pages.close(), server.close()])
    await rm(folder, { recursive: true, force: true })
  })

  it('brings a file in chunks through an outage and a reload of the page, as one record', async () => {
    const file = path.join(folder, 'holiday.bin')
    const sha256 = await writeRandomFile(file, SIZE)
    const page = await browser.open('about:blank')
    const ranges: (string | undefined)[] = []
    page.on('request', (request) => {
      if (request.method() === 'POST') ranges.push(request.headers()['content-range'])
    })
    await limitUpload(page, SIZE / 2)
    await page.goto(pages.urlOf('blueimp', proxy.url, ADMIN_KEY))
    await page.getByLabel('Choose files').setInputFiles(file)

    await proxy.passed(1.5 * CHUNK)
    proxy.down()
    await page.getByText('Interrupted').waitFor()
    proxy.up()
    await page.getByRole('button', { name: 'Resume' }).click()

    // Half of the second chunk went twice, and so half of the fourth is under way.
    await proxy.stuck(4 * CHUNK)
    await page.reload()
    await page.getByLabel('Choose files').setInputFiles(file)

    const link = page.locator('#files').getByRole('link', { name: 'holiday.bin' })
    expect(await link.getAttribute('href')).toMatch(`${proxy.url}/media/`)
    expect(await arrivedFiles(server)).toEqual([{ name: 'holiday.bin', size: SIZE, sha256 }])
    const rangeOf = (index: number) =>
      `bytes ${index * CHUNK}-${Math.min((index + 1) * CHUNK, SIZE) - 1}/${SIZE}`
    const complete = undefined
    expect(ranges).toEqual([...[0, 1, 1, 2, 3, 3, 4, 5, 6].map(rangeOf), complete])
  })

  it('brings a file that is smaller than a chunk', async () => {
    const file = path.join(folder, 'note.bin')
    const sha256 = await writeRandomFile(file, 1000)
    const page = await browser.open(pages.urlOf('blueimp', proxy.url, ADMIN_KEY))
    await page.getByLabel('Choose files').setInputFiles(file)
    await page.locator('#files').getByRole('link', { name: 'note.bin' }).waitFor()
    expect(await arrivedFiles(server)).toContainEqual({ name: 'note.bin', size: 1000, sha256 })
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
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

const MB = 1_000_000
/** BROWSER_FILE_BYTES=500000000 is the whole exercise; the default keeps the suite quick. */
const LARGE = Number(process.env.BROWSER_FILE_BYTES ?? 100 * MB)
/** Golden Retriever keeps the bytes of files up to 10 MiB. */
const SMALL = 8 * MB

let pages: ExamplePages
let browser: TestBrowser
let folder: string
let server: TestServer
let proxy: CuttableProxy

/** The example in a new tab, which sends at most so many bytes in a second. */
async function openUppy(bytesPerSecond: number): Promise<{ page: Page; creations: string[] }> {
  const page = await browser.open('about:blank')
  const creations: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST') creations.push(request.url())
  })
  await limitUpload(page, bytesPerSecond)
  await page.goto(pages.urlOf('uppy', proxy.url, ADMIN_KEY))
  return { page, creations }
}

async function choose(page: Page, file: string): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'browse files' }).click()
  await (await chooser).setFiles(file)
}

/** The button that starts, or after a reload takes up, the upload. */
const uploadButton = (page: Page) => page.getByRole('button', { name: 'Upload 1 file' })

const refused = (page: Page) => page.waitForEvent('requestfailed')

async function complete(page: Page, name: string): Promise<void> {
  const link = page.locator('#files').getByRole('link', { name })
  expect(await link.getAttribute('href', { timeout: 0 })).toMatch(`${proxy.url}/media/`)
  await page.locator('.uppy-StatusBar.is-complete').waitFor()
}

describeInBrowser('Uppy in a browser', () => {
  beforeAll(async () => {
    pages = await serveExamples(['uppy'])
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-uppy-'))
  })
  afterAll(async () => {
    await pages.close()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    ;[server, proxy, browser] = await Promise.all([startServer(), startProxy(), startBrowser()])
    proxy.pointTo(server.url)
  })
  afterEach(async () => {
    await browser.close()
    await proxy.close()
    await server.close()
  })

  it('brings a large file through cuts, an outage, a pause and a reload of the page', async () => {
    const file = path.join(folder, 'large.bin')
    const sha256 = await writeRandomFile(file, LARGE)
    const { page, creations } = await openUppy(LARGE / 4)
    await choose(page, file)
    await uploadButton(page).click()

    await proxy.passed(0.15 * LARGE)
    proxy.cut()

    await proxy.passed(0.3 * LARGE)
    const outage = refused(page)
    proxy.down()
    await outage
    // The attempt to go on at once is refused as well.
    await refused(page)
    proxy.up()

    await proxy.passed(0.45 * LARGE)
    const ended = refused(page)
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    await ended
    await page.locator('.uppy-StatusBar').getByText('Paused').waitFor()
    await page.getByRole('button', { name: 'Resume', exact: true }).click()

    await proxy.passed(0.65 * LARGE)
    await page.reload()
    // The file is too large for the browser to have kept it: the page asks for it again.
    await page.getByRole('button', { name: 'Re-select' }).click()
    await choose(page, file)
    await uploadButton(page).click()

    await complete(page, 'large.bin')
    expect(await arrivedFiles(server)).toEqual([{ name: 'large.bin', size: LARGE, sha256 }])
    expect(creations).toEqual([`${proxy.url}/files/`])
  }, 180_000)

  it('goes on after a reload without asking for a file that the browser has kept', async () => {
    const file = path.join(folder, 'small.bin')
    const sha256 = await writeRandomFile(file, SMALL)
    const { page, creations } = await openUppy(SMALL / 2)
    await choose(page, file)
    await uploadButton(page).click()

    await proxy.passed(0.5 * SMALL)
    await page.reload()
    await uploadButton(page).click()

    await complete(page, 'small.bin')
    expect(await arrivedFiles(server)).toEqual([{ name: 'small.bin', size: SMALL, sha256 }])
    expect(creations).toEqual([`${proxy.url}/files/`])
  })
})

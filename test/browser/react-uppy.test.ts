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

const SIZE = 20_000_000

let server: TestServer
let proxy: CuttableProxy
let pages: ExamplePages
let browser: TestBrowser
let folder: string

describeInBrowser('React and Uppy in a browser', () => {
  beforeAll(async () => {
    ;[server, proxy, pages, browser] = await Promise.all([
      startServer(),
      startProxy(),
      serveExamples(['react-uppy']),
      startBrowser(),
    ])
    proxy.pointTo(server.url)
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-react-'))
  })
  afterAll(async () => {
    await browser.close()
    await Promise.all([proxy.close(), pages.close(), server.close()])
    await rm(folder, { recursive: true, force: true })
  })

  it('goes on after a pause, a cut and a reload of the page', async () => {
    const file = path.join(folder, 'holiday.bin')
    const sha256 = await writeRandomFile(file, SIZE)
    const page = await browser.open('about:blank')
    const creations: string[] = []
    page.on('request', (request) => {
      if (request.method() === 'POST') creations.push(request.url())
    })
    await limitUpload(page, SIZE / 2)
    await page.goto(pages.urlOf('react-uppy', proxy.url, ADMIN_KEY))
    const choose = async () => {
      const chooser = page.waitForEvent('filechooser')
      await page.getByRole('button', { name: 'Choose files' }).click()
      await (await chooser).setFiles(file)
    }

    await choose()
    await proxy.passed(0.2 * SIZE)
    const ended = page.waitForEvent('requestfailed')
    await page.getByRole('button', { name: 'Pause' }).click()
    await ended
    await page.getByRole('button', { name: 'Resume' }).click()
    await proxy.passed(0.4 * SIZE)
    proxy.cut()
    await proxy.passed(0.6 * SIZE)
    await page.reload()
    await choose()

    const link = page.getByRole('link', { name: 'holiday.bin' })
    expect(await link.getAttribute('href')).toMatch(`${proxy.url}/media/`)
    expect(await arrivedFiles(server)).toEqual([{ name: 'holiday.bin', size: SIZE, sha256 }])
    expect(creations).toEqual([`${proxy.url}/files/`])
  })
})

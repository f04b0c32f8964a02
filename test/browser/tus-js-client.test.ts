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

describeInBrowser('tus-js-client in a browser', () => {
  beforeAll(async () => {
    ;[server, proxy, pages, browser] = await Promise.all([
      startServer(),
      startProxy(),
      serveExamples(),
      startBrowser(),
    ])
    proxy.pointTo(server.url)
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-tus-page-'))
  })
  afterAll(async () => {
    await browser.close()
    await Promise.all([proxy.close(), pages.close(), server.close()])
    await rm(folder, { recursive: true, force: true })
  })

  it('goes on after abort, and in a new tab with what the browser remembers', async () => {
    const file = path.join(folder, 'holiday.bin')
    const sha256 = await writeRandomFile(file, SIZE)
    const creations: string[] = []
    const open = async () => {
      const page = await browser.open('about:blank')
      page.on('request', (request) => {
        if (request.method() === 'POST') creations.push(request.url())
      })
      await limitUpload(page, SIZE / 2)
      await page.goto(pages.urlOf('tus-js-client', proxy.url, ADMIN_KEY))
      return page
    }

    const first = await open()
    await first.locator('#file').setInputFiles(file)
    await proxy.passed(0.25 * SIZE)
    const aborted = first.waitForEvent('requestfailed')
    await first.getByRole('button', { name: 'Pause' }).click()
    await aborted
    await first.getByText('Paused').waitFor()
    await first.getByRole('button', { name: 'Resume' }).click()
    await proxy.passed(0.6 * SIZE)
    await first.close()

    const second = await open()
    await second.locator('#file').setInputFiles(file)
    const link = second.getByRole('link', { name: 'holiday.bin' })
    expect(await link.getAttribute('href')).toMatch(`${proxy.url}/media/`)
    expect(await arrivedFiles(server)).toEqual([{ name: 'holiday.bin', size: SIZE, sha256 }])
    expect(creations).toEqual([`${proxy.url}/files/`])
  })
})

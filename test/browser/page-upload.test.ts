import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page, Request } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { arrivedFiles } from '../support/arrived.ts'
import { writeRandomFile } from '../support/big-file.ts'
import {
  describeInBrowser,
  limitUpload,
  startBrowser,
  type TestBrowser,
} from '../support/browser.ts'
import { choose, drop, fileOf, openPage, toastOf, uploadOf } from '../support/page.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SIZE = 8_000_000
/** More than the page lets the browser keep: 32 MiB. */
const LARGE = 34_000_000

let server: TestServer
let proxy: CuttableProxy
let browser: TestBrowser
let folder: string
let file: string
let sha256: string
let page: Page

/** The page behind the proxy, sending no faster than a test can follow. */
async function openSlowly(bytesPerSecond: number) {
  ;({ page } = await openPage(browser, proxy.url))
  await limitUpload(page, bytesPerSecond)
  const requests: Request[] = []
  page.on('request', (request) => requests.push(request))
  const before = proxy.total()
  return { requests, passed: (bytes: number) => proxy.passed(before + bytes) }
}

const creations = (requests: readonly Request[]) =>
  requests.filter((request) => request.method() === 'POST' && /\/files\/$/.test(request.url()))

const offsets = (requests: readonly Request[]) =>
  requests
    .filter((request) => request.method() === 'PATCH')
    .map((request) => Number(request.headers()['upload-offset']))

const isDone = (page: Page, name: string) => uploadOf(page, name).getByText(/^Done/).waitFor()

describeInBrowser('uploads on the page', () => {
  beforeAll(async () => {
    ;[server, proxy, browser] = await Promise.all([startServer(), startProxy(), startBrowser()])
    proxy.pointTo(server.url)
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-page-'))
    file = path.join(folder, 'survey.bin')
    sha256 = await writeRandomFile(file, SIZE)
  })
  afterAll(async () => {
    await browser.close()
    await proxy.close()
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    await page.close()
    await removeAll(server)
  })

  it('takes files and folders that are dropped, and shows them in the library', async () => {
    const tree = path.join(folder, 'holiday')
    await mkdir(path.join(tree, 'day 1'), { recursive: true })
    await writeFile(path.join(tree, 'plan.txt'), 'north, then west\n')
    await writeFile(path.join(tree, 'day 1', 'notes.txt'), 'rain\n')
    await writeFile(path.join(tree, '.DS_Store'), 'litter')
    const alone = path.join(folder, 'alone.txt')
    await writeFile(alone, 'by itself\n')
    const opened = await openPage(browser, proxy.url)
    page = opened.page
    await page.getByText('Drop your first files here').waitFor()

    await drop(page, [tree, alone])

    for (const name of ['plan.txt', 'notes.txt', 'alone.txt']) {
      await isDone(page, name)
      await fileOf(page, name).waitFor()
    }
    const arrived = await arrivedFiles(server)
    expect(arrived.map(({ name }) => name).sort()).toEqual(['alone.txt', 'notes.txt', 'plan.txt'])
    await fileOf(page, 'notes.txt').click()
    await expectValue(page, 'Description', 'Folder: holiday/day 1')
    expect(opened.complaints.all).toEqual([])
  })

  it('takes what is pasted', async () => {
    ;({ page } = await openPage(browser, proxy.url))
    await page.evaluate(`(() => {
      const data = new DataTransfer()
      data.items.add(new File(['from the clipboard'], 'image.png', { type: 'image/png' }))
      dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))
    })()`)
    await uploadOf(page, 'Pasted').getByText(/^Done/).waitFor()
    const [arrived] = await arrivedFiles(server)
    expect(arrived?.name).toMatch(/^Pasted \d{4}-\d\d-\d\d .*\.png$/)
  })

  it('shows how far it is, pauses, goes on, and brings all bytes', async () => {
    const before = proxy.total()
    const { requests, passed } = await openSlowly(SIZE / 3)
    await choose(page, file)
    await uploadOf(page, 'survey.bin')
      .getByText(/\d+ % of 7\.6 MB · .*\/s/)
      .waitFor()
    await passed(0.3 * SIZE)
    expect(await page.title()).toMatch(/^\d+ % – Landfall$/)

    const ended = page.waitForEvent('requestfailed')
    await page.getByRole('button', { name: 'Pause survey.bin' }).click()
    await ended
    await uploadOf(page, 'survey.bin').getByText('Paused at').waitFor()
    const total = proxy.total() - before
    await page.getByRole('button', { name: 'Resume survey.bin' }).click()

    await isDone(page, 'survey.bin')
    expect(total).toBeLessThan(SIZE)
    expect(creations(requests)).toHaveLength(1)
    expect(offsets(requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('goes on by itself when the connection is back', async () => {
    const { requests, passed } = await openSlowly(SIZE / 2)
    await choose(page, file)
    await passed(0.3 * SIZE)
    proxy.down()
    await uploadOf(page, 'survey.bin').getByText('No connection to the server').waitFor()
    proxy.up()
    await isDone(page, 'survey.bin')
    expect(creations(requests)).toHaveLength(1)
    expect(offsets(requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('goes on after a reload without a question, and makes one record', async () => {
    const { requests, passed } = await openSlowly(SIZE / 2)
    await choose(page, file)
    await passed(0.4 * SIZE)
    await page.reload()
    await isDone(page, 'survey.bin')
    expect(creations(requests)).toHaveLength(1)
    expect(offsets(requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('goes on after a crash of the browser without a question, and makes one record', async () => {
    const first = await openSlowly(SIZE / 2)
    await choose(page, file)
    await first.passed(0.4 * SIZE)
    await browser.crash()
    const { requests } = await openSlowly(SIZE / 2)
    await isDone(page, 'survey.bin')
    expect(creations(requests)).toEqual([])
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('goes on with a large file after a reload once it is chosen again', async () => {
    const large = path.join(folder, 'large.bin')
    const digest = await writeRandomFile(large, LARGE)
    const { requests, passed } = await openSlowly(LARGE / 2)
    await choose(page, large)
    await passed(0.4 * LARGE)
    await page.reload()
    await uploadOf(page, 'large.bin').getByText('choose the same file again').waitFor()
    await page.getByText(/1 stopped/).waitFor()

    const wrong = page.waitForEvent('filechooser')
    await page.getByRole('button', { name: 'Choose the file again: large.bin' }).click()
    await (await wrong).setFiles(file)
    await toastOf(page, 'That is another file. Choose “large.bin”').waitFor()
    await choose(page, large)

    await isDone(page, 'large.bin')
    expect(creations(requests)).toHaveLength(1)
    expect(offsets(requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toEqual([{ name: 'large.bin', size: LARGE, sha256: digest }])
  })

  it('asks the browser for a file that it has a way back to, and goes on', async () => {
    const { requests, passed } = await openSlowly(SIZE / 2)
    await page.evaluate(PICKER)
    // A file of a private folder of the page stands in for one that was picked.
    await page.addInitScript(`
      FileSystemHandle.prototype.queryPermission = async () => 'prompt'
      FileSystemHandle.prototype.requestPermission = async () => 'granted'
    `)
    await page.getByRole('button', { name: 'Upload files' }).first().click()
    await passed(0.4 * SIZE)
    await page.reload()
    await uploadOf(page, 'picked.bin').getByText('let the browser read the file').waitFor()
    await page.getByRole('button', { name: 'Resume picked.bin' }).click()
    await isDone(page, 'picked.bin')
    expect(creations(requests)).toHaveLength(1)
    expect(offsets(requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toMatchObject([{ name: 'picked.bin', size: SIZE }])
  })

  it('goes on in another tab when the one that was uploading is closed', async () => {
    const first = await openSlowly(SIZE / 4)
    const uploading = page
    await choose(uploading, file)
    await first.passed(0.2 * SIZE)
    const second = await openSlowly(SIZE)
    // It is the other tab's, as long as that is there.
    await page.getByText('Drop your first files here').waitFor()
    // A browser that is not slowed down any more would send all of it before it closes the tab.
    proxy.down()
    await uploading.close()
    proxy.up()
    await isDone(page, 'survey.bin')
    expect(creations([...first.requests, ...second.requests])).toHaveLength(1)
    expect(offsets(second.requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('sends nothing of a file that was changed while the page was away', async () => {
    const { requests, passed } = await openSlowly(SIZE / 4)
    await page.evaluate(PICKER)
    await page.getByRole('button', { name: 'Upload files' }).first().click()
    await passed(0.2 * SIZE)
    await page.getByRole('button', { name: 'Pause picked.bin' }).click()
    await uploadOf(page, 'picked.bin').getByText('Paused at').waitFor()
    await page.evaluate(PICKER.replace('fill(7)', 'fill(8)'))
    await page.reload()
    const before = requests.length
    await uploadOf(page, 'picked.bin').getByText('has changed since').waitFor()
    await page.getByRole('button', { name: 'Retry picked.bin' }).click()
    await uploadOf(page, 'picked.bin').getByText('has changed since').waitFor()
    expect(offsets(requests.slice(before))).toEqual([])
    expect(await arrivedFiles(server)).toEqual([])
  })

  it('sends nothing of a file that was changed before it is chosen again', async () => {
    const changing = path.join(folder, 'changing.bin')
    await writeRandomFile(changing, SIZE)
    const { requests, passed } = await openSlowly(SIZE / 4)
    await choose(page, changing)
    await passed(0.2 * SIZE)
    await loseFile(page, 'changing.bin')
    await writeRandomFile(changing, SIZE)
    await utimes(changing, 1_600_000_000, 1_600_000_000)
    const before = requests.length
    const chooser = page.waitForEvent('filechooser')
    await page.getByRole('button', { name: 'Choose the file again: changing.bin' }).click()
    await (await chooser).setFiles(changing)
    await uploadOf(page, 'changing.bin').getByText('has changed since').waitFor()
    expect(offsets(requests.slice(before))).toEqual([])
    expect(await arrivedFiles(server)).toEqual([])
  })

  it('keeps a file that is chosen again for the next reload', async () => {
    const { requests, passed } = await openSlowly(SIZE / 4)
    await choose(page, file)
    await passed(0.2 * SIZE)
    await loseFile(page, 'survey.bin')
    const going = page.waitForRequest((request) => request.method() === 'PATCH')
    await choose(page, file)
    await going
    await page.reload()
    await isDone(page, 'survey.bin')
    expect(creations(requests)).toHaveLength(1)
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('goes on in the session or library in which an upload was begun, and nowhere else', async () => {
    const { requests, passed } = await openSlowly(SIZE / 2)
    await choose(page, file)
    await passed(0.2 * SIZE)
    await loseFile(page, 'survey.bin')
    await page.getByRole('link', { name: 'Sessions' }).click()
    await page.getByRole('button', { name: 'New session' }).click()
    await choose(page, file)
    await page.getByRole('list', { name: 'Files of the session' }).getByText('survey.bin').waitFor()
    expect(creations(requests)).toHaveLength(2)
    expect(await arrivedFiles(server)).toEqual([])
    await page.getByText(/1 stopped/).waitFor()

    await page.getByRole('link', { name: 'Library' }).click()
    await choose(page, file)
    await fileOf(page, 'survey.bin').waitFor()
    expect(creations(requests)).toHaveLength(2)
    expect(offsets(requests).at(-1)).toBeGreaterThan(0)
    expect(await arrivedFiles(server)).toEqual([{ name: 'survey.bin', size: SIZE, sha256 }])
  })

  it('ends an upload that is cancelled here and on the server', async () => {
    const { requests, passed } = await openSlowly(SIZE / 6)
    await choose(page, file)
    await passed(0.1 * SIZE)
    const ended = page.waitForResponse((answer) => answer.request().method() === 'DELETE')
    await page.getByRole('button', { name: 'Cancel survey.bin' }).click()
    expect((await ended).status()).toBe(204)
    await uploadOf(page, 'survey.bin').waitFor({ state: 'detached' })
    const [patch] = requests.filter((request) => request.method() === 'PATCH')
    const head = await fetch(patch?.url() ?? '', {
      method: 'HEAD',
      headers: { Authorization: server.admin, 'Tus-Resumable': '1.0.0' },
    })
    expect(head.status).toBe(410)
    await page.reload()
    await page.getByText('Drop your first files here').waitFor()
  })
})

const PICKER = `(async () => {
  const folder = await navigator.storage.getDirectory()
  const handle = await folder.getFileHandle('picked.bin', { create: true })
  const writable = await handle.createWritable()
  await writable.write(new Uint8Array(${SIZE}).fill(7))
  await writable.close()
  globalThis.showOpenFilePicker = async () => [handle]
})()`

/** The browser forgets the file of an upload, as one that was too large for it to be kept. */
async function loseFile(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: `Pause ${name}` }).click()
  await uploadOf(page, name).getByText('Paused at').waitFor()
  await page.evaluate(FORGET)
  await page.reload()
  await uploadOf(page, name).getByText('choose the same file again').waitFor()
}

const FORGET = `new Promise((resolve, reject) => {
  const opening = indexedDB.open('landfall')
  opening.onerror = reject
  opening.onsuccess = () => {
    const transaction = opening.result.transaction('uploads', 'readwrite')
    transaction.oncomplete = resolve
    transaction.onerror = reject
    const store = transaction.objectStore('uploads')
    store.getAll().onsuccess = ({ target }) => {
      for (const kept of target.result) store.put({ ...kept, file: null })
    }
  }
}).then(() => null)`

/** The next test begins with an empty library. */
async function removeAll({ url, admin }: TestServer): Promise<void> {
  const headers = { Authorization: admin }
  const list = await fetch(`${url}/api/media/files?limit=1000`, { headers })
  const { results } = (await list.json()) as { results: { id: number }[] }
  for (const { id } of results)
    await fetch(`${url}/api/media/files/${id}`, { method: 'DELETE', headers })
}

async function expectValue(page: Page, label: string, value: string): Promise<void> {
  expect(await page.getByRole('textbox', { name: label }).inputValue()).toBe(value)
}

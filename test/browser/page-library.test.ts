import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { describeInBrowser, startBrowser, type TestBrowser } from '../support/browser.ts'
import { type MediaClient, mediaClient } from '../support/media-client.ts'
import { insertMedia } from '../support/media-rows.ts'
import { type Complaints, drop, fileOf, openPage, toastOf } from '../support/page.ts'
import { writeSampleFiles } from '../support/sample-files.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let browser: TestBrowser
let media: MediaClient
let folder: string
let page: Page
let complaints: Complaints

const text = (words: string) => new TextEncoder().encode(words)

async function open(to = '/'): Promise<void> {
  ;({ page, complaints } = await openPage(browser, server.url, { to }))
}

/** Names of the files as they are shown. */
async function shownNames(): Promise<string[]> {
  const names = page.getByRole('list', { name: 'Files', exact: true }).locator('.file-name')
  return names.allTextContents()
}

async function records(): Promise<MediaRecord[]> {
  const answer = await media.call('GET', '?limit=1000&ordering=id')
  return ((await answer.json()) as { results: MediaRecord[] }).results
}

/** Waits until the server has what is to be. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  await expect.poll(isSo, { timeout: 20_000 }).toBe(true)
}

describeInBrowser('the library on the page', () => {
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startServer(), startBrowser()])
    media = mediaClient(server, server.admin)
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-library-'))
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    expect(complaints.all).toEqual([])
    await page.close()
    for (const { id } of await records()) await media.call('DELETE', `/${id}`)
  })

  it('keeps search, filters, order and view in the URL, through a reload and back', async () => {
    await media.upload('alpha.txt', text('a'))
    await media.upload('beta.txt', text('bb'))
    await media.upload('gamma.txt', text('ccc'))
    await media.upload('alpha.csv', text('a,b\n1,2\n'))
    await open()
    await page.getByText('4 files', { exact: true }).waitFor()
    await page.getByRole('combobox', { name: 'Order by' }).selectOption('Name')
    await page.getByRole('button', { name: 'Filters' }).click()
    await page.getByRole('checkbox', { name: 'Text' }).check()
    await page.getByText('3 files', { exact: true }).waitFor()
    expect(await shownNames()).toEqual(['alpha.txt', 'beta.txt', 'gamma.txt'])
    await page.getByRole('textbox', { name: 'At most' }).fill('2 bytes')
    await page.keyboard.press('Enter')
    await page.getByText('2 files', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Show as a list' }).click()
    await page.getByRole('searchbox', { name: 'Search by name' }).fill('et')
    await page.getByText('1 file', { exact: true }).waitFor()
    expect(new URL(page.url()).search).toBe(
      '?view=list&search=et&ordering=name&type=text&size_max=2',
    )

    await page.reload()
    await page.getByText('1 file', { exact: true }).waitFor()
    expect(await shownNames()).toEqual(['beta.txt'])
    expect(await page.getByRole('searchbox').inputValue()).toBe('et')
    await page.getByRole('button', { name: 'Take away the filter: At most' }).click()
    await page.getByRole('searchbox').fill('')
    await page.getByText('3 files', { exact: true }).waitFor()

    await fileOf(page, 'beta.txt').click()
    await page.getByRole('dialog', { name: 'beta.txt' }).waitFor()
    await page.goBack()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await shownNames()).toEqual(['alpha.txt', 'beta.txt', 'gamma.txt'])
  })

  it('says what is wrong with a filter that the server refuses, and goes on', async () => {
    await open('/?created_from=whenever')
    await page.getByRole('alert').filter({ hasText: 'Enter a valid date/time.' }).waitFor()
    await page.getByRole('button', { name: 'Take away the filter: Added from' }).click()
    await page.getByText('Drop your first files here').waitFor()
  })

  it('loads more files as the end of the list comes near', async () => {
    for (let at = 0; at < 150; at++)
      await insertMedia(server.database.db, { name: `row ${String(at).padStart(3, '0')}` })
    await open('/?ordering=name&view=list')
    await page.getByText('150 files', { exact: true }).waitFor()
    expect((await shownNames()).length).toBeLessThan(150)
    await until(async () => {
      await page.mouse.wheel(0, 4_000)
      return (await shownNames()).length === 150
    })
    const names = await shownNames()
    expect(names).toEqual([...names].sort())
  })

  it('renames and describes a file', async () => {
    const { id } = await media.upload('draft.txt', text('words'))
    await open(`/?file=${id}`)
    const dialog = page.getByRole('dialog')
    await dialog.getByText('words', { exact: true }).waitFor()
    await dialog.getByRole('textbox', { name: 'Name' }).fill('final.txt')
    await dialog.getByRole('textbox', { name: 'Description' }).fill('as it was sent')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('dialog', { name: 'final.txt' }).waitFor()
    expect(await media.one(id)).toMatchObject({ name: 'final.txt', description: 'as it was sent' })
    await page.keyboard.press('Escape')
    await fileOf(page, 'final.txt').waitFor()
  })

  it('takes a deletion back as long as it says so', async () => {
    const { id } = await media.upload('keep.txt', text('k'))
    await open(`/?file=${id}`)
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await toastOf(page, 'Deleted “keep.txt”.').waitFor()
    await page.getByRole('status').getByText('Deleted “keep.txt”.').waitFor({ state: 'attached' })
    await fileOf(page, 'keep.txt').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Undo' }).click()
    await fileOf(page, 'keep.txt').waitFor()
    expect(await media.one(id)).toMatchObject({ name: 'keep.txt' })
  })

  it('deletes when nobody takes it back, and when the page is left before', async () => {
    await media.upload('first.txt', text('1'))
    await media.upload('second.txt', text('2'))
    await open()
    await fileOf(page, 'first.txt').waitFor()
    await page.clock.install()
    await fileOf(page, 'first.txt').focus()
    await page.keyboard.press('Delete')
    await toastOf(page, 'Deleted “first.txt”.').waitFor()
    expect(await records()).toHaveLength(2)
    await page.clock.runFor(10_000)
    await until(async () => (await records()).length === 1)

    await fileOf(page, 'second.txt').focus()
    await page.keyboard.press('Delete')
    await toastOf(page, 'Deleted “second.txt”.').waitFor()
    expect(await records()).toHaveLength(1)
    await page.goto('about:blank')
    await until(async () => (await records()).length === 0)
  })

  it('deletes what was about to be deleted when its user signs out', async () => {
    await media.upload('unwanted.txt', text('u'))
    await open()
    await fileOf(page, 'unwanted.txt').focus()
    await page.keyboard.press('Delete')
    await toastOf(page, 'Deleted “unwanted.txt”.').waitFor()
    expect(await records()).toHaveLength(1)
    const sent = page.waitForResponse((answer) => answer.request().method() === 'DELETE')
    await page.getByRole('button', { name: 'Sign out' }).click()
    expect((await sent).status()).toBe(204)
    expect(await records()).toEqual([])
  })

  it('deletes and copies the links of many files at once', async () => {
    for (const name of ['a.txt', 'b.txt', 'c.txt']) await media.upload(name, text(name))
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await open('/?ordering=name')
    await page.getByRole('checkbox', { name: 'Select a.txt' }).check()
    await page.getByRole('checkbox', { name: 'Select b.txt' }).check()
    await page.getByText('2 files selected').waitFor()
    await page.getByRole('button', { name: 'Copy links' }).click()
    await toastOf(page, '2 links copied.').waitFor()
    const links = (await records()).filter(({ name }) => name !== 'c.txt').map(({ f }) => f)
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(links.join('\n'))

    await page.getByRole('region', { name: 'Selected files' }).getByText('Delete').click()
    await toastOf(page, 'Deleted 2 files.').waitFor()
    await page.goto('about:blank')
    await until(async () => (await records()).length === 1)
  })

  it('shows what a second browser uploads, and what it deletes, without a reload', async () => {
    await open()
    await page.getByText('Live').waitFor()
    const elsewhere = await startBrowser()
    try {
      const { page: other } = await openPage(elsewhere, server.url)
      const { name, bytes } = { name: 'from elsewhere.txt', bytes: 'hello' }
      await other.evaluate(`(() => {
        const data = new DataTransfer()
        data.items.add(new File(['${bytes}'], '${name}'))
        dispatchEvent(new DragEvent('drop', { dataTransfer: data }))
      })()`)
      await fileOf(page, name).waitFor()
      const [record] = await records()
      await media.call('DELETE', `/${record?.id}`)
      await fileOf(page, name).waitFor({ state: 'detached' })
    } finally {
      await elsewhere.close()
    }
  })

  it('shows what is in images, PDFs, sound, text, and says where it cannot', async () => {
    const files = await writeSampleFiles(folder)
    const wanted = ['Night ferry.jpg', 'Berth plan.pdf', 'Foghorn.wav', 'Survey notes.txt']
    const zip = path.join(import.meta.dirname, '../fixtures/fixture.zip')
    await open()
    await drop(page, [...files.filter((file) => wanted.includes(path.basename(file))), zip])
    await page.getByText('5 files', { exact: true }).waitFor()
    await fileOf(page, 'Night ferry.jpg').locator('img').waitFor()

    const dialog = page.getByRole('dialog')
    const show = async (name: string) => {
      await fileOf(page, name).click()
      await page.getByRole('dialog', { name }).waitFor()
    }
    await show('Night ferry.jpg')
    await expect
      .poll(() => page.evaluate('document.querySelector("img.picture")?.naturalWidth'))
      .toBe(1600)
    await page.keyboard.press('Escape')
    await show('Berth plan.pdf')
    const frame = await dialog.locator('iframe').getAttribute('src')
    expect(frame).toMatch(/^blob:/)
    await page.keyboard.press('Escape')
    await show('Foghorn.wav')
    await expect
      .poll(() => page.evaluate('document.querySelector("audio")?.duration'))
      .toBeCloseTo(1)
    await page.keyboard.press('Escape')
    await show('Survey notes.txt')
    await dialog.getByText('Berth 4: ladder loose').waitFor()
    await page.keyboard.press('Escape')
    await show('fixture.zip')
    await dialog.getByText('There is no preview of files of this type.').waitFor()
  })

  it('shows and links files that are private', async () => {
    const guarded = await startServer({ env: { MEDIA_ACCESS: 'private' } })
    try {
      const { f } = await mediaClient(guarded, guarded.admin).upload('secret.txt', text('hush'))
      expect((await fetch(f)).status).toBe(401)
      const elsewhere = await openPage(browser, guarded.url)
      ;({ page, complaints } = elsewhere)
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
      await fileOf(page, 'secret.txt').click()
      await page.getByRole('dialog').getByText('hush').waitFor()
      await page.getByRole('button', { name: 'Copy link' }).click()
      await toastOf(page, /Link copied\. Good until/).waitFor()
      const link = (await page.evaluate('navigator.clipboard.readText()')) as string
      expect(await (await fetch(link)).text()).toBe('hush')
    } finally {
      await guarded.close()
    }
  })

  it('opens and hands on no file before it knows a way to it', async () => {
    await media.upload('slow.txt', text('slow'))
    let answer = () => {}
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    await open()
    await page.route('**/links', async (route) => {
      await asked
      await route.continue()
    })
    await fileOf(page, 'slow.txt').click()
    const dialog = page.getByRole('dialog')
    const curl = dialog.getByRole('button', { name: 'Copy curl' })
    await curl.waitFor()
    expect(await curl.isDisabled()).toBe(true)
    await dialog.getByText('Download').waitFor()
    expect(await dialog.getByRole('link').count()).toBe(0)
    answer()
    await dialog.getByRole('link', { name: 'Download' }).waitFor()
    await dialog.getByRole('link', { name: 'Open' }).waitFor()
    expect(await curl.isDisabled()).toBe(false)
  })

  it('can be used with the keyboard alone', async () => {
    for (const name of ['one.txt', 'two.txt', 'three.txt']) await media.upload(name, text(name))
    await open('/?ordering=id')
    await fileOf(page, 'three.txt').waitFor()
    // Long before it is asked for: the browser has to be told not to open one of its own.
    const chooser = page.waitForEvent('filechooser')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Help' }).getByText('Keyboard shortcuts').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('/')
    await page.keyboard.type('t')
    await page.getByText('3 files', { exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('v')
    expect(new URL(page.url()).searchParams.get('view')).toBe('list')

    const focused = () => page.evaluate('document.activeElement.textContent')
    await fileOf(page, 'one.txt').focus()
    await page.keyboard.press('ArrowDown')
    expect(await focused()).toContain('two.txt')
    await page.keyboard.press('x')
    await page.getByText('1 file selected').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('1 file selected').waitFor({ state: 'detached' })
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'two.txt' }).waitFor()
    await page.keyboard.press('ArrowRight')
    await page.getByRole('dialog', { name: 'three.txt' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    // The focus is back where it came from.
    expect(await focused()).toContain('two.txt')
    await page.keyboard.press('u')
    await chooser
  })
})

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { expect, it } from 'vitest'
import { writeRandomFile } from '../support/big-file.ts'
import { describeInBrowser, limitUpload, startBrowser } from '../support/browser.ts'
import { mediaClient } from '../support/media-client.ts'
import { choose, fileOf, openPage, uploadOf } from '../support/page.ts'
import { writeSampleFiles } from '../support/sample-files.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

const images = path.join(root, 'docs/images')

/** LANDFALL_SCREENSHOTS=1 makes them anew. */
const wanted = process.env.LANDFALL_SCREENSHOTS === '1'

async function shoot(page: Page, name: string): Promise<void> {
  // The pointer leaves what it was on, and colours come to rest.
  await page.mouse.move(0, 0)
  await page.waitForFunction(
    '[...document.images].every((image) => image.complete) && !document.getAnimations().length',
  )
  const png = await page.screenshot({ animations: 'disabled', caret: 'hide' })
  await sharp(png)
    .webp({ quality: 82, effort: 6 })
    .toFile(path.join(images, `${name}.webp`))
}

async function addPeople(server: TestServer) {
  const named = async (username: string, firstName: string, lastName: string) => {
    const { id, authorization } = await server.accounts.add('staff', username)
    await fetch(`${server.url}/api/users/${id}`, {
      method: 'PATCH',
      headers: { Authorization: server.admin, 'Content-Type': 'application/json' },
      body: JSON.stringify({ first_name: firstName, last_name: lastName }),
    })
    return authorization
  }
  return [await named('anna', 'Anna', 'Lind'), await named('jonas', 'Jonas', 'Berg')] as const
}

async function takePictures(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-pictures-'))
  const [server, browser] = await Promise.all([startServer(), startBrowser()])
  try {
    const [anna, jonas] = await addPeople(server)
    const token = anna.replace('Token ', '')
    const { page } = await openPage(browser, server.url, { token })
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    await page.getByText('Drop your first files here').waitFor()
    await shoot(page, 'page-empty')

    const files = await writeSampleFiles(path.join(folder, 'samples'))
    const others = mediaClient(server, jonas)
    for (const file of files.slice(0, 6)) await uploadFile(others, file)
    await server.database.db.execute(
      sql`update media_files set created_at = created_at - id * interval '19 hours'`,
    )
    const film = path.join(folder, 'Entering the harbour.mp4')
    const survey = path.join(folder, 'Depth survey.zip')
    await writeRandomFile(film, 30_000_000)
    await writeRandomFile(survey, 18_000_000)
    await limitUpload(page, 3_000_000)
    await choose(page, [...files.slice(6), film, survey])
    await uploadOf(page, 'Entering the harbour')
      .getByText(/[23]\d % .* left/)
      .waitFor()
    await page.getByRole('button', { name: 'Pause Depth survey.zip' }).click()
    await page.waitForFunction('document.querySelectorAll(".thumb img").length >= 4')
    await shoot(page, 'page-uploading')

    await limitUpload(page, -1)
    await page.getByRole('button', { name: 'Cancel Depth survey.zip' }).click()
    await page.getByRole('button', { name: 'Cancel Entering the harbour.mp4' }).click()
    await page.getByRole('button', { name: 'Clear finished' }).click()
    await page.getByText(`${files.length} files`, { exact: true }).waitFor()
    await page.waitForFunction('document.querySelectorAll(".thumb img").length >= 8')
    await shoot(page, 'page-library')
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.getByRole('button', { name: 'Show as a list' }).click()
    await page.waitForFunction('document.querySelectorAll(".thumb img").length >= 8')
    await shoot(page, 'page-list-dark')

    await page.emulateMedia({ colorScheme: 'light' })
    await page.getByRole('button', { name: 'Show as a grid' }).click()
    await fileOf(page, 'Morning over the bay').click()
    await page.locator('img.picture').waitFor()
    await page
      .getByRole('textbox', { name: 'Description' })
      .fill('From the north mole, first light.')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('.edit-actions').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Close' }).focus()
    await shoot(page, 'page-detail')

    await page.keyboard.press('Escape')
    await page.setViewportSize({ width: 390, height: 800 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.waitForFunction('document.querySelectorAll(".thumb img").length >= 3')
    await page.evaluate('scrollTo(0, 0)')
    await shoot(page, 'page-phone')
  } finally {
    await browser.close()
    await server.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function uploadFile(client: ReturnType<typeof mediaClient>, file: string): Promise<void> {
  await client.upload(path.basename(file), await readFile(file))
}

describeInBrowser('the pictures of the page', () => {
  it('are in docs/images, small; with LANDFALL_SCREENSHOTS=1 they are made anew', async () => {
    if (wanted) await takePictures()
    const names = (await readdir(images)).filter((name) => name.startsWith('page-'))
    expect(names.sort()).toEqual([
      'page-detail.webp',
      'page-empty.webp',
      'page-library.webp',
      'page-list-dark.webp',
      'page-phone.webp',
      'page-uploading.webp',
    ])
    for (const name of names)
      expect((await stat(path.join(images, name))).size, name).toBeLessThan(120_000)
  }, 180_000)
})

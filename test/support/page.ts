import type { Page } from 'playwright-core'
import type { TestBrowser } from './browser.ts'
import { ADMIN_KEY } from './server.ts'

/** What a page has complained of: errors, and whatever its policy has kept from happening. */
export interface Complaints {
  readonly all: readonly string[]
}

/** Listens to a tab from now on. */
export function listen(page: Page): Complaints {
  const all: string[] = []
  page.on('pageerror', (error) => all.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // A policy that is broken is an error of the console in every browser.
    if (/Content.Security.Policy/i.test(message.text())) all.push(`policy: ${message.text()}`)
  })
  return { all }
}

/**
 * The page in a new tab, signed in. It asks for files by an input: the picker that gives handles has
 * no way to be answered by a test.
 */
export async function openPage(
  browser: TestBrowser,
  url: string,
  { token = ADMIN_KEY, to = '/' }: { token?: string; to?: string } = {},
): Promise<{ page: Page; complaints: Complaints }> {
  const page = await browser.open('about:blank')
  const complaints = listen(page)
  await page.addInitScript('delete globalThis.showOpenFilePicker')
  await page.goto(url + to)
  await signIn(page, token)
  return { page, complaints }
}

export async function signIn(page: Page, token: string): Promise<void> {
  const field = page.getByLabel('Token', { exact: true })
  const signedIn = page.getByRole('button', { name: 'Sign out' })
  await field.or(signedIn).waitFor()
  if (await signedIn.isVisible()) return
  await field.fill(token)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await signedIn.waitFor()
}

/** Gives files to the page by its button. */
export async function choose(page: Page, files: string | string[]): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Upload files' }).first().click()
  await (await chooser).setFiles(files)
}

/** Drops files and folders of the disk on the page, as the system would. */
export async function drop(page: Page, files: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page)
  const data = { items: [], files: [...files], dragOperationsMask: 1 }
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data })
  await session.detach()
}

/** The line of an upload in the list of uploads. */
export function uploadOf(page: Page, name: string) {
  return page
    .getByRole('region', { name: 'Uploads' })
    .getByRole('listitem')
    .filter({ hasText: name })
}

/** A file in the library. */
export function fileOf(page: Page, name: string) {
  return page.getByRole('list', { name: 'Files', exact: true }).getByRole('button', { name })
}

/** A word at the edge of the page. */
export function toastOf(page: Page, words: string | RegExp) {
  return page.locator('.toast').getByText(words)
}

import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeInBrowser, startBrowser, type TestBrowser } from '../support/browser.ts'
import { mediaClient } from '../support/media-client.ts'
import { insertMedia } from '../support/media-rows.ts'
import { listen, openPage, signIn, toastOf, uploadOf } from '../support/page.ts'
import { keepSecret } from '../support/secrets.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let browser: TestBrowser
let page: Page

const keyOf = (authorization: string) => authorization.replace('Token ', '')
const note = { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('a note\n') }

async function chooseNote(file = note): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Upload files' }).first().click()
  await (await chooser).setFiles(file)
}

describeInBrowser('who uses the page', () => {
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startServer(), startBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
  })
  afterEach(async () => {
    // The next one has never been here.
    await page.evaluate('localStorage.clear()')
    for (const each of page.context().pages()) if (each.url() !== 'about:blank') await each.close()
  })

  it('is told what to do about a token that is none, and may stay signed in or not', async () => {
    page = await browser.open(server.url)
    const field = page.getByLabel('Token', { exact: true })
    const button = page.getByRole('button', { name: 'Sign in', exact: true })
    await field.fill('wrong-token')
    await button.click()
    await page
      .getByRole('alert')
      .filter({ hasText: 'The server does not know this token' })
      .waitFor()
    await field.fill('with spaces in it')
    await button.click()
    await page.getByRole('alert').filter({ hasText: 'A token has no spaces' }).waitFor()

    await page.getByRole('checkbox', { name: 'Stay signed in' }).uncheck()
    await field.fill(ADMIN_KEY)
    await button.click()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    // Another tab of the same browser knows nothing of it.
    const other = await browser.open(server.url)
    await other.getByLabel('Token', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.reload()
    await field.waitFor()

    await signIn(page, ADMIN_KEY)
    await other.reload()
    await other.getByRole('button', { name: 'Sign out' }).waitFor()
  })

  it('goes on with an upload after signing in again, when the token ends in between', async () => {
    const { id, tokenId, authorization } = await server.accounts.add('staff')
    ;({ page } = await openPage(browser, server.url, { token: keyOf(authorization) }))
    await page.route('**/files/**', (route) => route.abort())
    await chooseNote()
    await uploadOf(page, 'note.txt').getByText('No connection to the server').waitFor()
    await fetch(`${server.url}/api/tokens/${tokenId}`, {
      method: 'DELETE',
      headers: { Authorization: server.admin },
    })
    await page.unroute('**/files/**')
    await page.getByRole('alert').filter({ hasText: 'Sign in again' }).waitFor()

    const made = await fetch(`${server.url}/api/users/${id}/tokens`, {
      method: 'POST',
      headers: { Authorization: server.admin, 'Content-Type': 'application/json' },
      body: '{}',
    })
    const { key } = (await made.json()) as { key: string }
    keepSecret(key)
    await signIn(page, key)
    await uploadOf(page, 'note.txt').getByText(/^Done/).waitFor()
  })

  it('sees as a user without more rights what they have uploaded, also after a reload', async () => {
    const { authorization } = await server.accounts.add('user')
    const { page: opened, complaints } = await openPage(browser, server.url, {
      token: keyOf(authorization),
    })
    page = opened
    await page.getByRole('heading', { name: 'Your uploads' }).waitFor()
    expect(await page.getByRole('link', { name: 'Accounts' }).count()).toBe(0)
    await chooseNote()
    const line = page.getByRole('region', { name: 'From this browser' }).getByRole('listitem')
    await line.getByText(/^Done/).waitFor()
    await page.reload()
    await line.getByText(/^Done/).waitFor()
    const tab = page.waitForEvent('popup')
    await line.getByRole('button', { name: 'Open note.txt' }).click()
    await (await tab).getByText('a note').waitFor()
    expect(complaints.all).toEqual([])
  })

  it('opens as a user without more rights what is private: shown where that is safe, else saved', async () => {
    const guarded = await startServer({ env: { MEDIA_ACCESS: 'private' } })
    try {
      const { authorization } = await guarded.accounts.add('user')
      const token = keyOf(authorization)
      ;({ page } = await openPage(browser, guarded.url, { token }))
      await chooseNote()
      const html = Buffer.from('<!doctype html><html><body><p>words</p></body></html>')
      await chooseNote({ name: 'page.html', mimeType: 'text/html', buffer: html })
      // The browser takes it for a text; the server does not.
      const gzip = gzipSync('words')
      await chooseNote({ ...note, name: 'odd.txt', buffer: gzip })
      const open = (name: string) => page.getByRole('button', { name: `Open ${name}` })
      const tab = page.waitForEvent('popup')
      await open('note.txt').click()
      await (await tab).getByText('a note').waitFor()
      expect((await tab).url()).toMatch(/^blob:/)
      for (const [name, bytes] of [
        ['page.html', html],
        ['odd.txt', gzip],
      ] as const) {
        const saved = page.waitForEvent('download')
        await open(name).click()
        expect((await saved).suggestedFilename()).toBe(name)
        expect(await readFile(await (await saved).path())).toEqual(bytes)
      }
      await page.evaluate('localStorage.clear()')
    } finally {
      await guarded.close()
    }
  })

  it('makes as an admin an account and a token, which work, and revokes it', async () => {
    const { page: opened, complaints } = await openPage(browser, server.url, {
      to: '/?page=accounts',
    })
    page = opened
    await page.getByRole('button', { name: 'New account' }).click()
    await page.getByRole('textbox', { name: 'Username' }).fill('admin')
    await page.getByRole('button', { name: 'Make the account' }).click()
    await page.getByText('A user with that username already exists.').waitFor()
    await page.getByRole('textbox', { name: 'Username' }).fill('anna')
    await page.getByRole('textbox', { name: 'First name' }).fill('Anna')
    await page.getByRole('combobox', { name: 'Role' }).selectOption('staff')
    await page.getByRole('button', { name: 'Make the account' }).click()
    await page.getByRole('textbox', { name: 'Name of a new token' }).fill('laptop')
    await page.getByRole('button', { name: 'Make a token' }).click()
    const key = (await page.locator('.new-key code').textContent()) ?? ''
    keepSecret(key)
    const me = () => fetch(`${server.url}/api/me`, { headers: { Authorization: `Token ${key}` } })
    expect(await (await me()).json()).toMatchObject({ username: 'anna', role: 'staff' })

    await page.getByRole('button', { name: 'Revoke the token laptop' }).click()
    await page
      .getByRole('button', { name: 'Revoke the token laptop' })
      .waitFor({ state: 'detached' })
    expect((await me()).status).toBe(401)
    expect(complaints.all).toEqual([])
  })

  it('fills an upload session and submits it', async () => {
    ;({ page } = await openPage(browser, server.url, { to: '/?page=sessions' }))
    await page.getByText('You have no upload sessions.').waitFor()
    await page.getByRole('button', { name: 'New session' }).click()
    await chooseNote()
    const files = page.getByRole('list', { name: 'Files of the session' })
    await files.getByText('note.txt').waitFor()
    const media = mediaClient(server, server.admin)
    const named = async () =>
      ((await (await media.call('GET', '?search=note.txt')).json()) as { count: number }).count
    const before = await named()
    await page.getByRole('button', { name: 'Submit' }).click()
    await toastOf(page, 'Submitted: 1 file.').waitFor()
    await page.getByText('submitted', { exact: true }).waitFor()
    expect(await named()).toBe(before + 1)
  })

  describe('on any screen', () => {
    const places = ['/', '/?view=list', '/?page=sessions', '/?page=accounts']

    it('scrolls a phone only up and down, in light and in dark', async () => {
      const media = mediaClient(server, server.admin)
      const name = `${'a long name without a break '.repeat(3).replaceAll(' ', '_')}.txt`
      const { id } = await media.upload(name, Buffer.from('words'))
      await insertMedia(server.database.db, {
        name,
        size: 1_047_552_000,
        createdAt: '2025-11-28T00:00:00Z',
      })
      ;({ page } = await openPage(browser, server.url))
      await page.setViewportSize({ width: 360, height: 720 })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        for (const place of [...places, `/?file=${id}`]) {
          await page.goto(server.url + place)
          await page.locator('.file, .page-head').first().waitFor()
          if (place.includes('file=')) await page.getByRole('dialog').getByText('words').waitFor()
          expect(await page.evaluate(TOO_WIDE), place).toEqual([])
        }
      }
    })

    it('gives every control a name, every field a label, and every page a heading', async () => {
      await mediaClient(server, server.admin).upload('named.txt', Buffer.from('words'))
      const opened = await openPage(browser, server.url)
      page = opened.page
      for (const place of [...places, '/?file=1']) {
        await page.goto(server.url + place)
        await page.getByRole('main').waitFor()
        await page.getByRole('heading', { level: 1 }).waitFor({ state: 'attached' })
        if (place === '/') await page.getByRole('button', { name: 'Filters' }).click()
        expect(await page.evaluate(NAMELESS), place).toEqual([])
      }
      expect(opened.complaints.all).toEqual([])
    })

    it('keeps enough contrast between text and what is behind it', async () => {
      ;({ page } = await openPage(browser, server.url))
      for (const colorScheme of ['light', 'dark'] as const) {
        // Without motion there is no time in which colours are neither.
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        expect(await page.evaluate(FAINT), colorScheme).toEqual([])
      }
    })

    it('goes by the colours of the system until it is told otherwise', async () => {
      page = await browser.open(server.url)
      const complaints = listen(page)
      const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
      await page.emulateMedia({ colorScheme: 'light' })
      const light = await background()
      await page.emulateMedia({ colorScheme: 'dark' })
      const dark = await background()
      expect(dark).not.toBe(light)
      await page.getByRole('button', { name: 'Colours of the system' }).click()
      expect(await background()).toBe(light)
      await page.reload()
      await page.getByRole('button', { name: 'Light colours' }).waitFor()
      expect(await background()).toBe(light)
      expect(complaints.all).toEqual([])
    })
  })
})

/** What sticks out of the window, but for what scrolls in itself. */
const TOO_WIDE = `(() => {
  const all = [...document.querySelectorAll('header *, main *, dialog *')]
  const isOut = (element) => {
    const { right, width } = element.getBoundingClientRect()
    return width > 1 && right > innerWidth + 1 && !element.closest('pre')
  }
  const { scrollWidth } = document.documentElement
  return [
    ...(scrollWidth > innerWidth ? ['the page: ' + scrollWidth] : []),
    ...all.filter(isOut).map(({ tagName, className }) => tagName + ' ' + className),
  ]
})()`

/** Controls that a screen reader could not name, and ids that are there twice. */
const NAMELESS = `(() => {
  const nameOf = (control) =>
    control.getAttribute('aria-label') ||
    [...(control.labels ?? [])].map((label) => label.textContent.trim()).join(' ') ||
    control.textContent.trim() || control.getAttribute('title')
  const controls = [...document.querySelectorAll('button, a[href], input, select, textarea, iframe')]
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  const images = [...document.querySelectorAll('img:not([alt])')]
  const lists = [...document.querySelectorAll('ul > :not(li)')]
  return [
    ...controls.filter((control) => !nameOf(control)).map((control) => control.outerHTML),
    ...ids.filter((id, at) => ids.indexOf(id) !== at),
    ...[...images, ...lists].map((element) => element.outerHTML),
  ]
})()`

/** Text with less contrast than WCAG 2.2 AA asks for (4.5 to 1), by the colours behind it. */
const FAINT = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const light = (colour) => {
    const [red, green, blue] = colour.map((part) => {
      const value = part / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] > 250) return colour
    }
    return [255, 255, 255, 255]
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const found = new Set()
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement
    if (!texts.currentNode.textContent.trim() || !element.checkVisibility()) continue
    if (['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) continue
    const [one, two] = [light(rgba(getComputedStyle(element).color)), light(behind(element))]
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)
    if (ratio < 4.5) found.add(ratio.toFixed(2) + ' ' + texts.currentNode.textContent.trim())
  }
  return [...found]
})()`

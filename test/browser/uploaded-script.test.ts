import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeInBrowser, startBrowser, type TestBrowser } from '../support/browser.ts'
import { mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let browser: TestBrowser

describeInBrowser('a file that somebody has uploaded', () => {
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startServer(), startBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
  })

  it.each([
    ['evil.js', 'globalThis.ran = true', 'script', 'src'],
    ['evil.css', 'body { color: rgb(1, 2, 3) }', 'link', 'href'],
  ] as const)(
    'as %s does nothing in the page, which trusts its own origin',
    async (name, text, tag, at) => {
      const media = mediaClient(server, server.admin)
      const { f } = await media.upload(name, Buffer.from(text))
      const page = await browser.open(server.url)
      const ended = await page.evaluate(
        `new Promise((resolve) => {
        const it = document.createElement('${tag}')
        it.onload = () => resolve('loaded')
        it.onerror = () => resolve('refused')
        it.rel = 'stylesheet'
        it.${at} = '${f}'
        document.head.append(it)
      })`,
      )
      expect(ended).toBe('refused')
      expect(await page.evaluate('globalThis.ran')).toBeUndefined()
      expect(await page.evaluate('getComputedStyle(document.body).color')).not.toBe('rgb(1, 2, 3)')
    },
  )

  it('is shown, fetched and downloaded as before', async () => {
    const { f } = await mediaClient(server, server.admin).upload('notes.js', Buffer.from('let a'))
    const page = await browser.open(server.url)
    expect(await page.evaluate(`fetch('${f}').then((answer) => answer.text())`)).toBe('let a')
    const elsewhere = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Dest': 'script' }
    expect((await fetch(f, { headers: elsewhere })).status).toBe(200)
  })
})

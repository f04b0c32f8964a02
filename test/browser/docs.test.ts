import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeInBrowser, startBrowser, type TestBrowser } from '../support/browser.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

describeInBrowser('the page at /docs', () => {
  let server: TestServer
  let browser: TestBrowser
  beforeAll(async () => {
    server = await startServer()
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  it('shows every operation, and loads nothing from elsewhere', async () => {
    const page = await browser.open('about:blank')
    const complaints: string[] = []
    const requested: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => requested.push(request.url()))
    await page.goto(`${server.url}/docs`)
    await page.waitForSelector('#operations-Media_files-listMediaFiles')
    const { paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      paths: Record<string, object>
    }
    const count = Object.values(paths).flatMap((item) => Object.keys(item)).length
    // The one webhook is shown in the same way.
    expect(await page.locator('.opblock').count()).toBe(count + 1)
    const foreign = requested.filter((url) => !/^(?:data|blob):/.test(url))
    expect(foreign.filter((url) => !url.startsWith(`${server.url}/`))).toEqual([])
    expect(complaints).toEqual([])
  })

  it('tries requests out with a token', async () => {
    const page = await browser.open(`${server.url}/docs/`)
    await page.click('.authorize')
    await page.fill('.modal-ux input', ADMIN_KEY)
    await page.click('.modal-ux .authorize')
    await page.click('.modal-ux .btn-done')
    await page.click('#operations-Accounts-getMe .opblock-summary-control')
    await page.click('#operations-Accounts-getMe .try-out__btn')
    await page.click('#operations-Accounts-getMe .execute')
    const answer = page.locator('#operations-Accounts-getMe .live-responses-table .highlight-code')
    await answer.first().waitFor()
    expect(await answer.first().textContent()).toContain('"username": "admin"')
  })

  it('has its files kept by browsers and compressed on the way', async () => {
    const html = await fetch(`${server.url}/docs`)
    expect(html.headers.get('cache-control')).toBe('no-cache')
    expect(html.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(html.headers.get('content-security-policy')).not.toContain('unsafe')
    const script = /src="(\/docs\/swagger-ui-[^"]+)"/.exec(await html.text())?.[1] ?? ''
    const answer = await fetch(server.url + script, { headers: { 'Accept-Encoding': 'gzip' } })
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'gzip',
      'content-type': 'text/javascript; charset=utf-8',
    })
    await answer.body?.cancel()
    for (const name of ['LICENSE', '..%2Fcli.js', 'index.html', 'start-000000000000.js'])
      expect((await fetch(`${server.url}/docs/${name}`)).status).toBe(404)
  })
})

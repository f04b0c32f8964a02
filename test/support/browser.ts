import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { describe } from 'vitest'

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** `CHROMIUM`, or where packages put it. Undefined: there is none. */
const program = [process.env.CHROMIUM ?? '', ...usualPlaces].find(existsSync)

/** `describe` where there is a Chromium; elsewhere it says what is missing, and skips. */
export function describeInBrowser(name: string, tests: () => void): void {
  if (program === undefined) {
    console.warn(
      `NOT TESTED: ${name}. There is no Chromium here: \`apt-get install -y chromium\`, or give ` +
        'the path of one in CHROMIUM.',
    )
  }
  describe.skipIf(program === undefined)(name, tests)
}

export interface TestBrowser {
  /** A new tab; storage is shared by all of them, as in the browser of one person. */
  open(url: string): Promise<Page>
  /** Ends it as a crash would, and starts it again on what is on disk. */
  crash(): Promise<void>
  close(): Promise<void>
}

/** A Chromium with an empty profile on disk, so that what a page stores is stored as for people. */
export async function startBrowser(): Promise<TestBrowser> {
  const profile = await mkdtemp(path.join(tmpdir(), 'landfall-browser-'))
  let context = await launch(profile)
  return {
    async open(url) {
      const page = await context.newPage()
      await page.goto(url)
      return page
    },
    async crash() {
      const gone = context.waitForEvent('close')
      const session = await context.newCDPSession(await context.newPage())
      // There is nobody left to answer.
      await session.send('Browser.crash').catch(() => {})
      await gone
      context = await launch(profile)
    },
    async close() {
      await context.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function launch(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: program,
    headless: true,
    // Without these it talks to its maker, and a closed network refuses that by refusing much more.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Lets the page send no more than so many bytes a second, whatever the machine could do. */
export async function limitUpload(page: Page, bytesPerSecond: number): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: bytesPerSecond,
  })
}

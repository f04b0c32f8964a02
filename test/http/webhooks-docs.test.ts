import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parseSecrets, signedHeaders } from '../../src/events/sign.ts'
import { freePort } from '../support/free-port.ts'
import { findProgram } from '../support/programs.ts'
import { newSecret } from '../support/receiver.ts'
import { root } from '../support/source.ts'

const receivers = [
  { name: 'receiver.mjs', program: process.execPath },
  {
    name: 'receiver.py',
    program: findProgram('python3', {
      for: 'the receiver in Python of docs/webhooks.md',
      from: 'apt-get install -y python3',
    }),
  },
]

let folder = ''
let child: ChildProcess | undefined
afterEach(async () => {
  if (child?.pid !== undefined) {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  await rm(folder, { recursive: true, force: true })
})

describe.each(receivers)('$name of docs/webhooks.md', ({ name, program }) => {
  it.skipIf(program === undefined)('takes what is genuine, once, and nothing else', async () => {
    const text = await readFile(path.join(root, 'docs/webhooks.md'), 'utf8')
    const [, code = ''] = text.split(`<!-- ${name} -->`)[1]?.split(/```\w+\n|```/) ?? []
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-receiver-'))
    await writeFile(path.join(folder, name), code)
    const [secret, port] = [newSecret(), await freePort()]
    child = spawn(program ?? '', [path.join(folder, name)], {
      env: { PATH: process.env.PATH, PORT: String(port), WEBHOOK_SECRET: secret },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let printed = ''
    const printing = new EventEmitter()
    child.stdout?.on('data', (chunk) => {
      printed += chunk
      printing.emit('more')
    })
    const says = async (word: string) => {
      while (!printed.includes(word)) await once(printing, 'more')
    }
    await says('listening')

    const send = async (id: string, event: object, headers: Record<string, string> = {}) => {
      const body = JSON.stringify(event)
      const timestamp = Math.floor(Date.now() / 1000)
      const secrets = parseSecrets(`${newSecret()} ${secret}`) ?? []
      const signed = signedHeaders({ id, timestamp, body }, secrets)
      const url = `http://127.0.0.1:${port}/`
      return (await fetch(url, { method: 'POST', body, headers: { ...signed, ...headers } })).status
    }
    const event = (type: string) => ({ type, data: { name: 'é' } })
    expect(await send('msg_1', event('first.event'))).toBe(204)
    expect(await send('msg_1', event('repeated.event'))).toBe(204)
    expect(await send('msg_2', event('forged.event'), { 'webhook-id': 'msg_3' })).toBe(401)
    expect(await send('msg_4', event('old.event'), { 'webhook-timestamp': '1' })).toBe(401)
    expect(await send('msg_5', event('unsigned.event'), { 'webhook-signature': '' })).toBe(401)
    expect(await send('msg_6', event('last.event'))).toBe(204)
    await says('last.event')
    expect(printed.match(/\w+\.event/g)).toEqual(['first.event', 'last.event'])
  })
})

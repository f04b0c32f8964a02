import { randomBytes } from 'node:crypto'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { parseSecrets, signedHeaders } from '../../../src/events/sign.ts'

const word = (bytes: number) => `whsec_${randomBytes(bytes).toString('base64')}`
const body = '{"type":"media.created","timestamp":"2026-03-04T05:06:07Z","data":{"name":"é💾"}}'

function signed(text: string, timestamp = Math.floor(Date.now() / 1000)) {
  return signedHeaders({ id: 'msg_1', timestamp, body }, parseSecrets(text) ?? [])
}

describe('what is sent', () => {
  it('is verified by the library of Standard Webhooks', () => {
    const secret = word(32)
    expect(new Webhook(secret).verify(body, signed(secret))).toEqual(JSON.parse(body))
  })

  it('is verified by the old and by the new secret while one replaces the other', () => {
    const [old, fresh] = [word(24), word(64)]
    const headers = signed(`${fresh} ${old}`)
    for (const secret of [old, fresh]) {
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
    }
    expect(headers['webhook-signature']).toMatch(/^v1,\S{44} v1,\S{44}$/)
  })

  it.each([
    ['another body', (headers: Record<string, string>) => headers, `${body} `],
    [
      'another id',
      (headers: Record<string, string>) => ({ ...headers, 'webhook-id': 'msg_2' }),
      body,
    ],
    ['another secret', () => signed(word(32)), body],
  ])('is not verified with %s', (_, change, text) => {
    const secret = word(32)
    const verify = () => new Webhook(secret).verify(text, change(signed(secret)))
    expect(verify).toThrow(WebhookVerificationError)
  })

  it('is not taken again ten minutes later', () => {
    const secret = word(32)
    const headers = signed(secret, Math.floor(Date.now() / 1000) - 600)
    expect(() => new Webhook(secret).verify(body, headers)).toThrow('too old')
  })
})

describe('parseSecrets', () => {
  it('takes one secret or two of 24 to 64 bytes', () => {
    expect(parseSecrets(word(24))).toHaveLength(1)
    expect(parseSecrets(`  ${word(64)}\n${word(24)} `)).toHaveLength(2)
  })

  it.each([
    ['', 'nothing'],
    [word(23), 'too short'],
    [word(65), 'too long'],
    [word(32).slice('whsec_'.length), 'no prefix'],
    [word(32).replace(/=+$/, ''), 'no padding'],
    [`whsec_${'_-'.repeat(22)}`, 'base64url'],
    [`${word(32)} ${word(32)} ${word(32)}`, 'three'],
    [`${word(32)} x`, 'one of two'],
  ])('refuses %j (%s)', (text) => {
    expect(parseSecrets(text)).toBeNull()
  })
})

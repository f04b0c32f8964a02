import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface Certificate {
  /** PEM. */
  cert: string
  key: string
}

/** A self-signed certificate for localhost and 127.0.0.1, as machines without openssl can make it. */
export function createCertificate(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
  const name = sequence(set(sequence(oid('550403'), der(0x0c, Buffer.from('localhost')))))
  const day = 24 * 3600_000
  const validity = sequence(utcTime(Date.now() - day), utcTime(Date.now() + day))
  const dns = der(0x82, Buffer.from('localhost'))
  const ip = der(0x87, Buffer.from([127, 0, 0, 1]))
  const alternativeNames = sequence(oid('551d11'), der(0x04, sequence(dns, ip)))
  const content = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    // Positive, and without a leading zero that DER would not have.
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(alternativeNames)),
  )
  const signature = der(
    0x03,
    Buffer.concat([Buffer.from([0]), sign('sha256', content, privateKey)]),
  )
  const bytes = sequence(content, ecdsaWithSha256, signature).toString('base64')
  const lines = bytes.replace(/.{64}/g, '$&\n').trimEnd()
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const long = length > 255 ? [0x82, length >> 8, length & 0xff] : [0x81, length]
  return Buffer.concat([Buffer.from([tag, ...(length < 128 ? [length] : long)]), content])
}

const sequence = (...parts: Buffer[]) => der(0x30, Buffer.concat(parts))
const set = (...parts: Buffer[]) => der(0x31, Buffer.concat(parts))
const integer = (bytes: Buffer) => der(0x02, bytes)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))

function utcTime(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${text}Z`))
}

import { parseDictionary } from './structured-field.ts'

/** "sha-512" and "sha-256" are the algorithms of RFC 9530 that are not deprecated. Strongest first. */
export const digestAlgorithms = ['sha-512', 'sha-256'] as const
export type DigestAlgorithm = (typeof digestAlgorithms)[number]

const DIGEST_BYTES: Record<DigestAlgorithm, number> = { 'sha-512': 64, 'sha-256': 32 }

/**
 * The digests of Content-Digest or Repr-Digest (RFC 9530 §2, §3) that we can verify. "A recipient
 * MAY ignore any or all digests": others beside them are passed over.
 *
 * `invalid`: not a Dictionary, or a value that cannot be a digest of its algorithm. `unsupported`:
 * nothing in it that we know.
 */
export function parseIntegrity(
  text: string,
): Map<DigestAlgorithm, Uint8Array> | 'invalid' | 'unsupported' {
  const members = parseDictionary(text)
  if (members === null || members.size === 0) return 'invalid'
  const found = new Map<DigestAlgorithm, Uint8Array>()
  for (const algorithm of digestAlgorithms) {
    const value = members.get(algorithm)
    if (value === undefined) continue
    if (!(value instanceof Uint8Array) || value.byteLength !== DIGEST_BYTES[algorithm])
      return 'invalid'
    found.set(algorithm, value)
  }
  return found.size > 0 ? found : 'unsupported'
}

/**
 * The algorithm that Want-Content-Digest or Want-Repr-Digest prefers among those we have (RFC 9530
 * §4): the highest weight from 1 to 10, where 0 is "not acceptable". Null where there is none, and
 * for a field that is malformed: it is a wish.
 */
export function preferredDigest(text: string | undefined): DigestAlgorithm | null {
  const members = parseDictionary(text) ?? new Map<string, never>()
  let best: DigestAlgorithm | null = null
  let highest = 0
  for (const algorithm of digestAlgorithms) {
    const weight = members.get(algorithm)
    if (typeof weight !== 'number' || !Number.isInteger(weight) || weight > 10) continue
    if (weight > highest) [best, highest] = [algorithm, weight]
  }
  return best
}

/** One member of a digest field, from the digest in hex. */
export function formatDigest(algorithm: DigestAlgorithm, hex: string): string {
  return `${algorithm}=:${Buffer.from(hex, 'hex').toString('base64')}:`
}

/** The name that node:crypto has for it. */
export function hashName(algorithm: DigestAlgorithm): 'sha512' | 'sha256' {
  return algorithm === 'sha-512' ? 'sha512' : 'sha256'
}

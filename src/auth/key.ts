import { createHash, randomBytes } from 'node:crypto'

/**
 * A new token key: 256 random bits, safe in URLs and shells. The prefix lets a scanner for leaked
 * secrets know it, and keeps it from starting with a dash.
 */
export function generateKey(): string {
  return `lf_${randomBytes(32).toString('base64url')}`
}

/** What is stored of a key: SHA-256 in hex. Keys are random, so a fast hash without salt is enough. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

import type { Kind } from './config-values.ts'
import * as kinds from './config-values.ts'
import type { VariableName } from './config-variables.ts'
import { isPublicAddress, literalAddress } from './events/address.ts'
import type { Webhook } from './events/deliver.ts'

/** What of the reader of settings is needed here. */
interface Reader {
  given<T>(name: VariableName, kind: Kind<T>): T | undefined
  read<T>(name: VariableName, kind: Kind<T>): T
  problems: string[]
}

/** Null without a WEBHOOK_URL. */
export function webhookOf({ given, read, problems }: Reader): Webhook | null {
  const before = problems.length
  const url = given('WEBHOOK_URL', kinds.webhookUrl)
  const secrets = given('WEBHOOK_SECRET', kinds.webhookSecrets)
  const allowPrivate = read('WEBHOOK_ALLOW_PRIVATE', kinds.yesNo)
  if (url === undefined) return null
  const isGood = problems.length === before
  // Names are looked up when something is sent; that an address is private can be said at once.
  const address = literalAddress(new URL(url))
  if (!allowPrivate && address !== null && !isPublicAddress(address))
    problems.push('WEBHOOK_URL: a private address; WEBHOOK_ALLOW_PRIVATE=true allows it')
  if (secrets === undefined && isGood)
    problems.push('WEBHOOK_SECRET: not set; what is sent to WEBHOOK_URL is signed with it')
  return { url, secrets: secrets ?? [], allowPrivate }
}

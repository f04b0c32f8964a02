import type { PGlite, Transaction } from '@electric-sql/pglite'
import type { OpenDatabase } from '../../src/db/database.ts'

/** What the server does every few seconds by itself. */
const isByTheClock = (text: string) => text.includes('delete from "media_changes"')

/**
 * Notes every statement that requests lead to in an embedded database from now on, as text without
 * its values.
 */
export function watchStatements({ db }: OpenDatabase): { take(): string[] } {
  const client = (db as unknown as { $client: PGlite }).$client
  const seen: string[] = []

  function watch(target: Pick<Transaction, 'query'>): void {
    const query = target.query.bind(target)
    target.query = (text: string, ...rest: never[]) => {
      if (!isByTheClock(text)) seen.push(text)
      return query(text, ...rest)
    }
  }

  watch(client)
  const transaction = client.transaction.bind(client)
  client.transaction = <T>(work: (tx: Transaction) => Promise<T>) => {
    seen.push('begin')
    return transaction((tx) => {
      watch(tx)
      return work(tx)
    })
  }
  return { take: () => seen.splice(0) }
}

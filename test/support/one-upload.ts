import { createRandom } from './content.ts'
import type { Answer } from './exchange.ts'
import { createClient, type createLedger, isLost, Refused } from './ledger.ts'
import { type Door, doors } from './traffic.ts'

export interface OneUpload {
  url: string
  authorization: string
  door: Door
  ledger: ReturnType<typeof createLedger>
  /** The same requests for the same number, as long as nothing fails. */
  seed: number
  /** Bytes of the largest file. Default 60,000. */
  largest?: number
  /** Whether the connection may be lost as well. Default not. */
  mayLose?: boolean
  /** Awaited before it goes on after a failure. */
  recovers?: () => Promise<unknown>
}

const MOST_STEPS = 400

/**
 * Brings one upload in through a door, whatever comes in between, and gives the answers that were
 * refusals. Throws where an answer is not an honest one.
 */
export async function bringOne(options: OneUpload): Promise<Answer[]> {
  const { url, authorization, door, ledger, seed, largest = 60_000 } = options
  const client = createClient({ authorization, ledger, server: async () => url })
  const sender = doors[door]({ client, random: createRandom(seed), largest })
  const refusals: Answer[] = []
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    try {
      if (await sender.step()) return refusals
    } catch (error) {
      const lost = isLost(error)
      if (!(error instanceof Refused) && !(lost && options.mayLose)) throw error
      if (error instanceof Refused) refusals.push(error.answer)
      sender.failed(!lost)
      await options.recovers?.()
    }
  }
  throw new Error(`${door} has come to no end: ${JSON.stringify(refusals.slice(0, 3))}`)
}

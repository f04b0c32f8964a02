/** What it takes to go on with the digests of a file: plain JSON, kept with the upload. */
export interface SavedDigest {
  /** Bytes that are in the states. */
  at: number
  /** Base64 by algorithm. */
  states: Record<string, string>
}

export type ToWorker =
  | {
      kind: 'open'
      job: number
      /** The file to follow; null where the bytes are handed over. */
      path: string | null
      algorithms: readonly string[]
      /** First byte to digest. */
      start: number
      state: SavedDigest | undefined
      /** Whether states will be saved: fixes which implementation is used. */
      saves: boolean
    }
  /** Bytes up to here are in the file. */
  | { kind: 'follow'; job: number; upTo: number }
  /** The next bytes, which end here. Answered once they are digested. */
  | { kind: 'feed'; job: number; upTo: number; bytes: Uint8Array; request: number }
  /** Answer once digested up to here: the digests (`finish`) or a saved state. */
  | { kind: 'ask'; job: number; upTo: number; request: number; finish: boolean }
  | { kind: 'close'; job: number }

export type FromWorker = { job: number; request: number } & (
  | { digests: Record<string, string> }
  | { saved: SavedDigest | null }
  | { fed: true }
  | { error: string }
)

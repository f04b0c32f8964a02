/** A running server that takes uploads. */
export interface UploadServer {
  pid: number
  /** Where tus uploads are created. */
  uploads: string
  /** Where uploads in chunks are begun, as drf-chunked-upload has them. */
  chunks?: string
  /** What every request needs, such as a token. */
  headers: Record<string, string>
  /** Removes the bytes that were uploaded, between two runs. */
  clean(): Promise<void>
  stop(): Promise<void>
}

/** Where a peer is installed and runs. */
export interface PeerPlace {
  /** Installations that are kept. */
  cache: string
  /** An empty folder for its data and its log. */
  folder: string
  /** A new empty database, for those that need one. */
  database(): Promise<{ url: string }>
}

/** A program that Landfall is compared with. */
export interface Peer {
  name: string
  /** Installs it where that has not been done, and starts it. @throws Absent where it cannot be. */
  start(place: PeerPlace): Promise<UploadServer>
}

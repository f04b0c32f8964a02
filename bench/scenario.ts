import type { Client } from './client.ts'
import type { Landfall, LandfallOptions } from './landfall.ts'
import type { Contestant, Results, Times } from './rounds.ts'
import type { Row } from './row.ts'

/** What can be measured by itself: `--only` names it. It gives one or more rows of the table. */
export interface Scenario {
  name: string
  /** One line for `--help`. */
  title: string
  /**
   * About how many seconds it takes; only for the time that is shown as left. `soak` is of one that
   * lasts as long as `--soak` says: what it takes besides.
   */
  seconds: { full: number; quick: number; soak?: number }
  run(bench: Bench): Promise<Row[]>
}

/** What a scenario is given. */
export interface Bench {
  /** `--quick`: smaller and fewer. */
  quick: boolean
  /** Measured runs of each contestant, after one that warms up. 5, quick 2, or `--runs`. */
  runs: number
  /** Milliseconds of `--soak`, or undefined. */
  soakMs: number | undefined
  /** The built program of Landfall that is measured. */
  server: string
  /** Folder of programs that are installed once and kept; outside the checkout. */
  cache: string
  /** An empty folder on the disk of `--dir`; it is removed when the scenario ends. */
  folder: string
  /** A file of so many random bytes, made once for all scenarios. */
  content(bytes: number): Promise<string>
  /** The client that all uploads and downloads go through. @throws Absent */
  client(): Promise<Client>
  /** A new empty database on a real Postgres with its usual settings. @throws Absent */
  database(): Promise<Database>
  /** The server as it is shipped, with a database of its own; stopped when the scenario ends. */
  landfall(options?: LandfallOptions): Promise<Landfall>
  /**
   * Runs every contestant in turn: A B C, A B C, …, and takes the medians. `times` is for what is
   * not like the others: other than `runs`, or without a round that warms up.
   */
  alternate(contestants: readonly Contestant[], times?: Partial<Times>): Promise<Results>
  /** Called when the scenario ends, last registered first. */
  after(end: () => Promise<unknown>): void
  /** A line of progress. */
  note(text: string): void
}

export interface Database {
  url: string
  drop(): Promise<void>
}

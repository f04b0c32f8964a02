import { randomUUID } from 'node:crypto'
import { eq, inArray, type SQL, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { s3Objects, s3Pieces } from '../db/schema-s3.ts'
import type { Piece } from './s3-pieces.ts'

/** An object that is not finished: what is stored of it is what its row and its pieces say. */
export interface S3Object {
  key: string
  target: string
  multipartId: string | null
  multipartsBegun: number
  partSize: number
  nextNumber: number
  pieces: Piece[]
}

export interface S3Objects {
  /** @returns false where the key is taken. */
  insert(object: Pick<S3Object, 'key' | 'target' | 'partSize'>): Promise<boolean>
  find(key: string): Promise<S3Object | null>
  /** From here on only this writer changes pieces. Null where there is no such object. */
  take(key: string, writer: string): Promise<S3Object | null>
  /** Takes the turn from whoever has it, for nobody. */
  fence(key: string): Promise<S3Object | null>
  /** A part that `finalise` adds: what it finds stored is final. Null where the row is gone. */
  addPart(key: string): Promise<number | null>
  recordPart(key: string, piece: Piece): Promise<void>
  /** Forgets the object and its pieces. */
  forget(key: string): Promise<void>
  /** The statements of a writer. Each tells whether the turn is still its own. */
  of(key: string, writer: string): OwnStatements
}

export interface OwnStatements {
  /** Gives out the next part number and notes that something is sent under it. */
  beginPart(start: number, size: number): Promise<number | null>
  /** Notes that something is sent under a name of its own. */
  beginRest(piece: Pick<Piece, 'number' | 'kind' | 'start' | 'size'>): Promise<boolean>
  /** What was sent counts from here on; what is `outdated` does not any more. */
  record(
    stored: Pick<Piece, 'number' | 'etag' | 'checksum'>,
    outdated: readonly number[],
  ): Promise<boolean>
  /** They do not count any more. */
  discount(numbers: readonly number[]): Promise<boolean>
  /** Nothing is left of them. */
  drop(numbers: readonly number[]): Promise<boolean>
  /** One more multipart upload is about to be begun. */
  countMultipart(): Promise<boolean>
  /** Which one is ours. */
  nameMultipart(id: string): Promise<boolean>
  /** Parts are forgotten with it: the next one begins another one, and numbers start again. */
  leaveMultipart(): Promise<boolean>
}

export function createS3Objects(db: Database): S3Objects {
  /** In one statement: the row and its pieces go together, and may go at any moment. */
  async function find(key: string): Promise<S3Object | null> {
    const found = await db
      .select({ object: s3Objects, piece: s3Pieces })
      .from(s3Objects)
      .leftJoin(s3Pieces, eq(s3Pieces.key, s3Objects.key))
      .where(eq(s3Objects.key, key))
    const [first] = found
    if (first === undefined) return null
    return { ...first.object, pieces: found.flatMap(({ piece }) => piece ?? []) }
  }

  async function give(key: string, writer: string | null): Promise<S3Object | null> {
    await db.update(s3Objects).set({ writer }).where(eq(s3Objects.key, key))
    // Read after the turn was taken: nobody else adds to them now.
    return find(key)
  }

  return {
    insert({ key, target, partSize }) {
      // Whose row it is, where the answer to the first try was lost.
      const writer = randomUUID()
      const createdAt = new Date().toISOString()
      return withRetry(async () => {
        await db
          .insert(s3Objects)
          .values({ key, target, partSize, writer, createdAt })
          .onConflictDoNothing()
        const [row] = await db
          .select({ writer: s3Objects.writer })
          .from(s3Objects)
          .where(eq(s3Objects.key, key))
        return row?.writer === writer
      })
    },

    find: (key) => withRetry(() => find(key)),
    take: (key, writer) => withRetry(() => give(key, writer)),
    fence: (key) => withRetry(() => give(key, null)),

    addPart: (key) =>
      withRetry(async () => {
        const [row] = await db
          .update(s3Objects)
          .set({ nextNumber: sql`${s3Objects.nextNumber} + 1` })
          .where(eq(s3Objects.key, key))
          .returning({ next: s3Objects.nextNumber })
        return row === undefined ? null : row.next - 1
      }),

    recordPart: (key, piece) =>
      withRetry(async () => {
        // The row may be gone: somebody else has finished the object.
        await db.execute(sql`
          insert into s3_pieces (key, number, kind, start, size, etag, checksum)
          select key, ${piece.number}::int, ${piece.kind}::text, ${piece.start}::bigint,
            ${piece.size}::bigint, ${piece.etag}::text, ${piece.checksum}::text
          from s3_objects where key = ${key} for update
          on conflict (key, number) do nothing`)
      }),

    forget: (key) =>
      withRetry(async () => {
        await db.delete(s3Objects).where(eq(s3Objects.key, key))
      }),

    of: (key, writer) => createOwnStatements(db, key, writer),
  }
}

/**
 * Every one locks the row and looks whose turn it is, in one statement: a server that was paused
 * for longer than its lease, and wakes, changes nothing.
 */
function createOwnStatements(db: Database, key: string, writer: string): OwnStatements {
  const mine = sql`mine as (
    select key from s3_objects where key = ${key} and writer = ${writer} for update)`
  const isDone = (statement: SQL) => withRetry(async () => (await rows(db, statement)).length > 0)
  const numbered = (numbers: readonly number[]) => inArray(s3Pieces.number, [...numbers])

  return {
    beginPart: (start, size) =>
      withRetry(async () => {
        const [row] = await rows<{ number: number }>(
          db,
          sql`with given as (
            update s3_objects set next_number = next_number + 1
            where key = ${key} and writer = ${writer}
            returning key, next_number - 1 as number)
          insert into s3_pieces (key, number, kind, start, size)
          select key, number, 'part', ${start}::bigint, ${size}::bigint from given
          returning number`,
        )
        return row === undefined ? null : Number(row.number)
      }),

    beginRest: ({ number, kind, start, size }) =>
      isDone(sql`with ${mine}
        insert into s3_pieces (key, number, kind, start, size)
        select key, ${number}::int, ${kind}::text, ${start}::bigint, ${size}::bigint from mine
        on conflict (key, number) do update set start = excluded.start, size = excluded.size,
          etag = null
        returning number`),

    record: ({ number, etag, checksum }, outdated) =>
      withRetry(async () => {
        const changed = await rows<{ number: number }>(
          db,
          sql`with ${mine}
          update s3_pieces set
            etag = case when number = ${number}::int then ${etag}::text end,
            checksum = case when number = ${number}::int then ${checksum}::text end
          from mine where s3_pieces.key = mine.key and ${numbered([number, ...outdated])}
          returning number`,
        )
        return changed.some((row) => Number(row.number) === number)
      }),

    discount: (numbers) =>
      isDone(sql`with ${mine}, changed as (
          update s3_pieces set etag = null
          from mine where s3_pieces.key = mine.key and ${numbered(numbers)})
        select 1 from mine`),

    drop: (numbers) =>
      isDone(sql`with ${mine}, gone as (
          delete from s3_pieces using mine
          where s3_pieces.key = mine.key and ${numbered(numbers)})
        select 1 from mine`),

    countMultipart: () =>
      isDone(sql`update s3_objects set multiparts_begun = multiparts_begun + 1
        where key = ${key} and writer = ${writer} returning key`),

    nameMultipart: (id) =>
      isDone(sql`update s3_objects set multipart_id = ${id}::text
        where key = ${key} and writer = ${writer} returning key`),

    leaveMultipart: () =>
      isDone(sql`with left_behind as (
          update s3_objects set multipart_id = null, next_number = 1
          where key = ${key} and writer = ${writer} returning key),
        gone as (
          delete from s3_pieces using left_behind
          where s3_pieces.key = left_behind.key and kind = 'part')
        select 1 from left_behind`),
  }
}

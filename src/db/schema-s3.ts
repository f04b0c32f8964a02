import { integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { bytes, time } from './schema-columns.ts'

/** Objects of an S3 store that are not finished yet: what is stored of each. */
export const s3Objects = pgTable('s3_objects', {
  /** The storage key that the upload knows. */
  key: text('key').primaryKey(),
  /** The key in the store from the first byte on: a finished object is never copied. */
  target: text('target').notNull(),
  /** The multipart upload; null until the first full part. */
  multipartId: text('multipart_id'),
  /** Multipart uploads begun for it: more than one, and the others have to be aborted. */
  multipartsBegun: integer('multiparts_begun').notNull().default(0),
  /** Bytes of every part but the last; 0: they grow, since nobody said how long it will be. */
  partSize: bytes('part_size').notNull(),
  /** Numbers are given out once: what a server that lost its turn still sends counts nowhere. */
  nextNumber: integer('next_number').notNull().default(1),
  /** Who may record parts: the appender opened last. */
  writer: uuid('writer'),
  createdAt: time('created_at').notNull(),
})

/** What is stored of an unfinished object: its parts, and the tails that have no full part yet. */
export const s3Pieces = pgTable(
  's3_pieces',
  {
    key: text('key')
      .notNull()
      .references(() => s3Objects.key, { onDelete: 'cascade' }),
    /** The part number; below 0 what makes the name of a tail its own; 0: the object itself. */
    number: integer('number').notNull(),
    /** `part` of the multipart upload, `tail` beside it, or `whole`: the object itself. */
    kind: text('kind', { enum: ['part', 'tail', 'whole'] }).notNull(),
    /** First byte, counted in the whole object. */
    start: bytes('start').notNull(),
    size: bytes('size').notNull(),
    /** Null until it is stored: whatever a crash left under its name is not counted. */
    etag: text('etag'),
    /** The checksum that the store gave for a part, for those that ask for it again at the end. */
    checksum: text('checksum'),
  },
  (t) => [primaryKey({ columns: [t.key, t.number] })],
)

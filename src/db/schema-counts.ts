import { bigint, integer, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core'
import { bytes, time } from './schema-columns.ts'

/**
 * How many media files there are of each kind, as far as `media_changes` has been added up; the two
 * together are exact. What a bucket is, media/dimensions.ts says.
 */
export const mediaCounts = pgTable(
  'media_counts',
  {
    dimension: text('dimension').notNull(),
    label: text('label').notNull(),
    bucket: bigint('bucket', { mode: 'bigint' }).notNull(),
    files: bigint('files', { mode: 'number' }).notNull(),
    /** No file that was ever counted here was created later. */
    newest: time('newest'),
  },
  (t) => [primaryKey({ columns: [t.dimension, t.label, t.bucket] })],
)

/**
 * What was added to `media_files` (`sign` 1) or taken from it (-1) and is not in `media_counts` yet.
 * Written by a trigger in the transaction of the change itself, whoever makes it.
 */
export const mediaChanges = pgTable('media_changes', {
  sign: smallint('sign').notNull(),
  fileId: bigint('file_id', { mode: 'number' }).notNull(),
  type: text('type').notNull(),
  userId: integer('user_id'),
  size: bytes('size').notNull(),
  width: integer('width'),
  height: integer('height'),
  mode: text('mode'),
  createdAt: time('created_at').notNull(),
  updatedAt: time('updated_at').notNull(),
})

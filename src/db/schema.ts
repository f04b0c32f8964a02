import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

/** Microseconds matter to consumers of the listing, and a JS Date has none: times stay text. */
const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'string', precision: 6 })
const bytes = (name: string) => bigint(name, { mode: 'number' })

export const users = pgTable(
  'users',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    username: text('username').notNull().unique(),
    firstName: text('first_name').notNull().default(''),
    lastName: text('last_name').notNull().default(''),
    role: text('role', { enum: ['user', 'staff', 'admin'] }).notNull(),
    isActive: boolean('is_active').notNull().default(true),
    lastLogin: time('last_login'),
    createdAt: time('created_at').notNull(),
    /** Bytes reserved by this user's unfinished uploads and held by their media files. */
    usedBytes: bytes('used_bytes').notNull().default(0),
    openUploads: integer('open_uploads').notNull().default(0),
  },
  (t) => [check('users_counters', sql`${t.usedBytes} >= 0 and ${t.openUploads} >= 0`)],
)

export const tokens = pgTable(
  'tokens',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id),
    /** SHA-256 of the key, hex. The key itself is shown once and stored nowhere. */
    hash: text('hash').notNull().unique(),
    name: text('name').notNull().default(''),
    createdAt: time('created_at').notNull(),
    expiresAt: time('expires_at'),
    revokedAt: time('revoked_at'),
  },
  (t) => [index('tokens_user').on(t.userId)],
)

export const uploadStates = [
  'creating',
  'receiving',
  'complete',
  'promoted',
  'rejected',
  'expired',
  'terminated',
] as const

export const uploads = pgTable(
  'uploads',
  {
    id: uuid('id').primaryKey(),
    ownerId: integer('owner_id').references(() => users.id),
    /** The protocol that made the upload: `tus`, `multipart`, … */
    door: text('door').notNull(),
    state: text('state', { enum: uploadStates }).notNull(),
    /** Null while the length is deferred. */
    size: bytes('size'),
    offset: bytes('offset').notNull().default(0),
    /**
     * Set while bytes past it may have to be dropped: an all-or-nothing append is running, or a
     * sync has failed. Recovery cuts the stored bytes back to here.
     */
    cutTo: bytes('cut_to'),
    /** Bytes this upload holds of its owner's quota; given back exactly. */
    reserved: bytes('reserved').notNull().default(0),
    /** Where the bytes are, from the first to the last day. */
    storageKey: text('storage_key').notNull().unique(),
    filename: text('filename').notNull().default(''),
    declaredType: text('declared_type'),
    description: text('description').notNull().default(''),
    /** What the client sent along, kept byte for byte for its door to return. */
    metadata: text('metadata'),
    /** Digests of the whole file that the client announced, `algorithm:hex`, space-separated. */
    expectedDigest: text('expected_digest'),
    /** Inspections begun: counted before they start, since the file may kill us. */
    inspectTries: integer('inspect_tries').notNull().default(0),
    /** Why it was refused: a reason of errors.ts. */
    rejectReason: text('reject_reason'),
    createdAt: time('created_at').notNull(),
    updatedAt: time('updated_at').notNull(),
    expiresAt: time('expires_at'),
    /** In an ended state: whether the bytes are removed as well. */
    bytesGone: boolean('bytes_gone').notNull().default(false),
  },
  (t) => [
    index('uploads_open').on(t.expiresAt).where(sql`${t.state} in ('creating', 'receiving')`),
    index('uploads_complete').on(t.updatedAt).where(sql`${t.state} = 'complete'`),
    index('uploads_ended')
      .on(t.updatedAt)
      .where(sql`${t.state} in ('rejected', 'expired', 'terminated')`),
    index('uploads_to_unlink')
      .on(t.updatedAt)
      .where(sql`${t.state} in ('rejected', 'expired', 'terminated') and not ${t.bytesGone}`),
  ],
)

export const mediaFiles = pgTable(
  'media_files',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** Unique: the database itself keeps one record per upload. */
    uploadId: uuid('upload_id')
      .notNull()
      .references(() => uploads.id),
    /** The part of the public URL that cannot be guessed: 128 random bits. */
    key: text('key').notNull(),
    storageKey: text('storage_key').notNull(),
    userId: integer('user_id').references(() => users.id),
    type: text('type').notNull(),
    mimeType: text('mime_type').notNull(),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    size: bytes('size').notNull(),
    width: integer('width'),
    height: integer('height'),
    mode: text('mode'),
    digest: text('digest'),
    createdAt: time('created_at').notNull(),
    updatedAt: time('updated_at').notNull(),
  },
  (t) => [
    uniqueIndex('media_files_upload').on(t.uploadId),
    uniqueIndex('media_files_key').on(t.key),
    index('media_files_created').on(t.createdAt.desc(), t.id.desc()),
    index('media_files_user').on(t.userId),
  ],
)

/** Events to announce, written in the transaction that makes them true. */
export const outbox = pgTable('outbox', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  event: text('event', { enum: ['media.created', 'media.deleted', 'upload.rejected'] }).notNull(),
  /** Events of one subject are delivered in order. */
  subject: text('subject').notNull(),
  payload: jsonb('payload').notNull(),
  createdAt: time('created_at').notNull(),
})

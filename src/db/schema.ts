import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import type { SavedDigest } from '../streams/digest-messages.ts'
import { bytes, time } from './schema-columns.ts'

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
  'held',
  'promoted',
  'rejected',
  'expired',
  'terminated',
] as const

/** The files of one form submission; they become media files together. */
export const uploadSessions = pgTable(
  'upload_sessions',
  {
    token: text('token').primaryKey(),
    userId: integer('user_id').references(() => users.id),
    status: text('status', { enum: ['created', 'uploading', 'stored', 'expired'] }).notNull(),
    /** Files and bytes in it, counted where they are added so that limits hold. */
    fileCount: integer('file_count').notNull().default(0),
    totalSize: bytes('total_size').notNull().default(0),
    createdAt: time('created_at').notNull(),
    updatedAt: time('updated_at').notNull(),
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [
    index('upload_sessions_user').on(t.userId, t.createdAt.desc()),
    index('upload_sessions_open')
      .on(t.expiresAt)
      .where(sql`${t.status} in ('created', 'uploading')`),
    check('upload_sessions_counters', sql`${t.fileCount} >= 0 and ${t.totalSize} >= 0`),
  ],
)

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
    /** The file's own name: a hint to its type. */
    filename: text('filename').notNull().default(''),
    /** The name of the record where it is another one. */
    title: text('title'),
    declaredType: text('declared_type'),
    description: text('description').notNull().default(''),
    /** What the client sent along, kept byte for byte for its door to return. */
    metadata: text('metadata'),
    /** `file` is published when complete; a `part` or a `session` file is held for its whole. */
    purpose: text('purpose', { enum: ['file', 'part', 'session'] })
      .notNull()
      .default('file'),
    /** False: that all bytes are there does not end the upload, somebody has to say so. */
    autoFinish: boolean('auto_finish').notNull().default(true),
    /** True: `expires_at` does not move with activity. */
    fixedExpiry: boolean('fixed_expiry').notNull().default(false),
    /** Where the bytes are once the upload is complete, if that is another place. */
    finalKey: text('final_key').unique(),
    /** Digests of the whole file that the client announced, `algorithm:hex`, space-separated. */
    expectedDigest: text('expected_digest'),
    /** Algorithms that run along with the bytes, space-separated. */
    digestAlgorithms: text('digest_algorithms'),
    digestState: jsonb('digest_state').$type<SavedDigest>(),
    /** How a joined upload is put together, as the client wrote it. */
    recipe: text('recipe'),
    sessionToken: text('session_token').references(() => uploadSessions.token),
    /** What the inspection found, where the record is made later. */
    inspection: jsonb('inspection'),
    /** Inspections begun: counted before they start, since the file may kill us. */
    inspectTries: integer('inspect_tries').notNull().default(0),
    /** Why it was refused: a reason of errors.ts. */
    rejectReason: text('reject_reason'),
    createdAt: time('created_at').notNull(),
    updatedAt: time('updated_at').notNull(),
    expiresAt: time('expires_at'),
    /** In an ended state: whether the bytes are removed as well. */
    bytesGone: boolean('bytes_gone').notNull().default(false),
    /** The server that has the upload in hand; null where nobody has. Its lease is in `servers`. */
    lockOwner: uuid('lock_owner'),
    /** Grows with every server that takes the lock: what an older one still wants to record fails. */
    lockEpoch: bytes('lock_epoch').notNull().default(0),
  },
  (t) => [
    index('uploads_open')
      .on(t.expiresAt)
      .where(sql`${t.state} in ('creating', 'receiving', 'held')`),
    index('uploads_locked').on(t.lockOwner).where(sql`${t.lockOwner} is not null`),
    index('uploads_owner').on(t.ownerId, t.createdAt.desc()),
    // One name once in a session, however many requests bring it at the same time.
    uniqueIndex('uploads_session_name')
      .on(t.sessionToken, t.filename)
      .where(sql`${t.state} in ('creating', 'receiving', 'complete', 'held', 'promoted')`),
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
    // One for each way to order the list; a scan backwards gives the other direction. Beside these
    // the migration makes `media_files_search` where Postgres has pg_trgm.
    index('media_files_created').on(t.createdAt.desc(), t.id.desc()),
    index('media_files_updated').on(t.updatedAt.desc(), t.id.desc()),
    index('media_files_size').on(t.size.desc(), t.id.desc()),
    // A key of an index has room for 2,700 bytes, a name can be longer.
    index('media_files_name').on(
      sql`left(lower(${t.name}), 100) collate "C" desc nulls last`,
      t.id.desc(),
    ),
    index('media_files_type').on(t.type, t.id.desc()),
    index('media_files_mode').on(sql`lower(${t.mode})`, t.id.desc()),
    index('media_files_width').on(t.width, t.id.desc()),
    index('media_files_height').on(t.height, t.id.desc()),
    index('media_files_owner').on(t.userId, t.id.desc()),
    // Of the version before; to be dropped one version later, alone: that locks out readers too.
    index('media_files_user').on(t.userId),
  ],
)

/** The parts of a joined upload, in order; the same part may stand in it twice. */
export const uploadParts = pgTable(
  'upload_parts',
  {
    wholeId: uuid('whole_id')
      .notNull()
      .references(() => uploads.id, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    partId: uuid('part_id')
      .notNull()
      .references(() => uploads.id, { onDelete: 'cascade' }),
  },
  (t) => [
    primaryKey({ columns: [t.wholeId, t.position] }),
    index('upload_parts_part').on(t.partId),
  ],
)

/** What the servers of one database have to know in common and nobody else may. */
export const secrets = pgTable('secrets', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
  createdAt: time('created_at').notNull(),
})

/** The servers at work on this database: each renews its lease, and whose has run out is dead. */
export const servers = pgTable('servers', {
  id: uuid('id').primaryKey(),
  /** The machine's boot and process namespace: whoever shares them can see whether `pid` lives. */
  host: text('host'),
  pid: integer('pid'),
  /** When the process began, as the kernel counts: a number may be given to another one later. */
  pidStart: text('pid_start'),
  /** By the database's clock, the only one that all servers share. */
  leasedUntil: time('leased_until').notNull(),
})

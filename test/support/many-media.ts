/** Some of `total` media files that are much as those of a real library; the same ones every time. */
export interface ManyMedia {
  total: number
  /** How many users they belong to. Default 5,000. */
  users?: number
  /** From this one on, counted from 1. Default: all of them. */
  first?: number
  last?: number
}

const random = (seed: number) => `((hashint8extended(i, ${seed}) & 1048575) / 1048576.0::float8)`
const oneOf = (values: (string | number)[], at: string) => {
  const list = values.map((value) => (typeof value === 'string' ? `'${value}'` : value))
  return `(array[${list}])[1 + floor(${values.length} * ${at})::int]`
}

const stems = ['IMG_', 'DSC', 'report ', 'invoice-', 'Scan ', 'photo ', 'Budget ', 'minutes ']
const widths = [320, 640, 800, 1024, 1280, 1600, 1920, 1920, 2048, 3024, 3840, 4032]
const heights = [240, 480, 600, 768, 720, 1200, 1080, 1080, 1536, 4032, 2160, 3024]
const firstNames = ['Anna', 'Bob', 'Chen', 'Dora', 'Émile', 'Farid', 'Grace', '', 'Ivan', 'Jo']
const lastNames = ['Adams', 'Brown', 'Costa', 'Diaz', 'Evans', '', 'Gupta', 'Hall']

/** Rows of (i, username, first_name, last_name, last_login, created_at): a quarter never came back. */
export const generatedUsers = ({ users = 5_000 }: Pick<ManyMedia, 'users'>) => `
  select i, 'user' || i as username, ${oneOf(firstNames, random(21))} as first_name,
    ${oneOf(lastNames, random(22))} as last_name,
    case when i % 4 <> 0 then timestamptz '2026-01-01Z' + i * interval '7 minutes' end as last_login,
    timestamptz '2022-01-01Z' + i * interval '1 hour' as created_at
  from generate_series(1, ${users}::int) as i`

/**
 * Rows of (i, upload_id, key, username, type, name, size, width, height, mode, created_at,
 * updated_at): over three years, mostly images, from 400 bytes to hundreds of megabytes, some users
 * with very many files and some files without a user.
 */
export const generatedMedia = (many: ManyMedia) => `
  select i, md5('upload' || i)::uuid as upload_id, md5('key' || i) as key, username, type,
    stem || case when r7 < 0.5 then lpad((i % 10000)::text, 4, '0')
      else to_char(created_at, 'YYYY-MM-DD') || ' ' || substr(md5(i::text), 1, 6) end ||
      case type when 'image' then ${oneOf(['.jpg', '.JPG', '.png', '.jpeg', '.heic'], 'r6')}
        when 'document' then '.docx' when 'video' then '.mp4' when 'text' then '.txt'
        else '.' || left(type, 3) end as name,
    size, case when type = 'image' then ${oneOf(widths, 'r6')} + more end as width,
    case when type = 'image' then ${oneOf(heights, 'r6')} + more end as height,
    case when type = 'image' then ${oneOf(['RGB', 'RGB', 'RGB', 'RGBA', 'L', 'P'], 'r7')} end as mode,
    created_at, created_at + case when r7 < 0.1 then r7 * interval '300 days'
      else interval '0' end as updated_at
  from (
    select i, r6, r7, case when r1 >= 0.03 then 'user' ||
        (1 + floor(${many.users ?? 5_000} * power(r2, 3)))::int end as username,
      case when r3 < 0.55 then 'image' when r3 < 0.75 then 'pdf' when r3 < 0.83 then 'document'
        when r3 < 0.89 then 'video' when r3 < 0.93 then 'spreadsheet' when r3 < 0.96 then 'text'
        when r3 < 0.98 then 'compressed' when r3 < 0.99 then 'audio'
        when r3 < 0.997 then 'presentation' else 'other' end as type,
      exp(6 + 7 * (r4 + r5))::bigint as size, ${oneOf(stems, 'r8')} as stem,
      case when r7 < 0.6 then 0 else floor(400 * r7)::int end as more,
      timestamptz '2023-01-01Z' + (i + r6 * 1000) * (interval '1095 days' / ${many.total}::float8)
        as created_at
    from (
      select i, ${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `${random(n)} as r${n}`).join(', ')}
      from generate_series(${many.first ?? 1}::bigint, ${many.last ?? many.total}::bigint) as i
    ) as drawn
  ) as made`

/** Stores them, with their users and uploads; nothing is written to any storage. */
export const insertManyMedia = (many: ManyMedia): string[] => [
  `insert into users (username, first_name, last_name, role, last_login, created_at)
    select username, first_name, last_name, 'user', last_login, created_at
    from (${generatedUsers(many)}) as made order by i on conflict do nothing`,
  `with made as materialized (${generatedMedia(many)}), made_uploads as (
      insert into uploads (id, owner_id, door, state, size, "offset", storage_key, created_at,
        updated_at)
      select made.upload_id, users.id, 'tus', 'promoted', made.size, made.size,
        made.upload_id::text, made.created_at, made.created_at
      from made left join users using (username) order by i
    ) insert into media_files (upload_id, key, storage_key, user_id, type, mime_type, name, size,
      width, height, mode, created_at, updated_at)
    select made.upload_id, made.key, made.upload_id::text, users.id, made.type,
      'application/' || made.type, made.name, made.size, made.width, made.height, made.mode,
      made.created_at, made.updated_at
    from made left join users using (username) order by i`,
]

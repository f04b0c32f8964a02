import postgres from 'postgres'
import { generatedMedia, generatedUsers } from '../../test/support/many-media.ts'
import type { PeerPlace } from '../upload-server.ts'
import { startDjango } from './django.ts'

/** A listing with Django REST framework and django-filter, on so many of the same files. */
export async function startDrfList(place: PeerPlace, total: number, piece: number) {
  const { url } = await place.database()
  const server = await startDjango({ ...place, database: async () => ({ url }) })
  const sql = postgres(url, { max: 1, connection: { TimeZone: 'UTC' }, onnotice: () => {} })
  try {
    await sql.unsafe(`insert into auth_user (password, last_login, is_superuser, username,
        first_name, last_name, email, is_staff, is_active, date_joined)
      select '', last_login, false, username, first_name, last_name, '', false, true, created_at
      from (${generatedUsers({})}) as made order by i`)
    for (let first = 1; first <= total; first += piece) {
      const last = Math.min(first + piece - 1, total)
      await sql.unsafe(`insert into library_mediafile (user_id, type, f, name, description, size,
          width, height, mode, created_at, updated_at)
        select auth_user.id, made.type, made.key, made.name, '', made.size, made.width,
          made.height, made.mode, made.created_at, made.updated_at
        from (${generatedMedia({ total, first, last })}) as made
          left join auth_user using (username) order by i`)
    }
    await sql.unsafe('vacuum analyze')
  } finally {
    await sql.end()
  }
  return { ...server, list: `${server.origin}/files` }
}

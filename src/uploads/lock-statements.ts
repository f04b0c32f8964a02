import { sql } from 'drizzle-orm'
import { statement } from '../db/statement.ts'

const id = sql.placeholder('id')
const self = sql.placeholder('self')

export interface Taken {
  epoch: number | string
  epochBefore: number | string
  owner: string | null
}

/**
 * Takes an upload that is free, ours already, or in the hands of a server whose lease has ended;
 * no row while another one that is alive has it. A negative epoch where that server may not be
 * dead, and has to be fenced off first.
 */
export const take = statement<Taken>(sql`with before as (
    select lock_owner as owner, lock_epoch as epoch from uploads where id = ${id}::uuid for update
  ) update uploads set lock_owner = ${self}::uuid,
      lock_epoch = (abs(before.epoch) + 1) * case when before.epoch >= 0
        and (before.owner is null or before.owner = ${self}::uuid
          or not exists (select from servers where servers.id = before.owner))
        then 1 else -1 end
    from before
    where uploads.id = ${id}::uuid and (before.owner is null or before.owner = ${self}::uuid
      or not exists (select from servers where servers.id = before.owner and leased_until > now()))
    returning lock_epoch as epoch, before.epoch as "epochBefore", before.owner`)

/** Gives back what nobody has taken since. */
export const giveBack = statement(sql`update uploads set lock_owner = null
  where id = ${id}::uuid and lock_owner = ${self}::uuid
    and lock_epoch = ${sql.placeholder('epoch')}::bigint`)

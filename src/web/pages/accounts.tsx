import { useEffect, useState } from 'preact/hooks'
import type { Role, User } from '../../client/client.ts'
import { count, formatTime } from '../format.ts'
import { useVisit } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { useAction } from '../parts/use-action.ts'
import { NewUserForm } from './new-user.tsx'
import { roles } from './roles.ts'
import { Tokens } from './tokens.tsx'

const PAGE = 100

/** Everybody who has an account, and their tokens. For admins. */
export function Accounts() {
  const { client } = useVisit()
  const [users, setUsers] = useState<readonly User[]>([])
  const [total, setTotal] = useState<number | null>(null)
  const [chosen, setChosen] = useState<number | null>(null)
  const [adding, setAdding] = useState(false)
  const load = useAction(async (offset: number) => {
    const page = await client.users.list({ limit: PAGE, offset })
    setUsers((before) => [...before.slice(0, offset), ...page.results])
    setTotal(page.count)
  })
  useEffect(() => void load(0), [client])
  const replace = (user: User) =>
    setUsers((before) => before.map((each) => (each.id === user.id ? user : each)))
  return (
    <>
      <div class="toolbar-line page-head">
        <h1>Accounts</h1>
        <span class="dim">{total === null ? '' : count(total, 'account')}</span>
        <span class="space" />
        <button
          type="button"
          class="button primary"
          aria-expanded={adding}
          onClick={() => setAdding(!adding)}
        >
          <Icon name="user" /> New account
        </button>
      </div>
      {adding && (
        <NewUserForm
          onMade={(user) => {
            setAdding(false)
            setUsers((before) => [user, ...before.filter(({ id }) => id !== user.id)])
            setTotal((total ?? 0) + 1)
            setChosen(user.id)
          }}
        />
      )}
      <ul class="panel lines" aria-label="Accounts">
        {users.map((user) => (
          <li key={user.id}>
            <button
              type="button"
              class="line"
              aria-expanded={user.id === chosen}
              onClick={() => setChosen(user.id === chosen ? null : user.id)}
            >
              <span class={`badge ${user.is_active ? user.role : 'expired'}`}>
                {user.is_active ? user.role : 'inactive'}
              </span>
              <span class="grow">
                {user.full_name}
                {user.full_name !== user.username && <span class="dim"> · {user.username}</span>}
              </span>
              <span class="dim seen">
                {user.last_login ? `last seen ${formatTime(user.last_login)}` : 'never seen'}
              </span>
            </button>
            {user.id === chosen && <Account user={user} onChanged={replace} />}
          </li>
        ))}
      </ul>
      {total !== null && users.length < total && (
        <button type="button" class="button" onClick={() => load(users.length)}>
          Show more
        </button>
      )}
    </>
  )
}

function Account({ user, onChanged }: { user: User; onChanged: (user: User) => void }) {
  const { client, user: own } = useVisit()
  const isOwn = user.id === own.id
  const change = useAction(async (changes: { role?: Role; is_active?: boolean }) =>
    onChanged(await client.users.update(user.id, changes)),
  )
  const deactivate = useAction(async () => {
    await client.users.deactivate(user.id)
    onChanged({ ...user, is_active: false })
  })
  return (
    <div class="account">
      <div class="toolbar-line">
        <label class="inline">
          <span>Role</span>
          <select
            value={user.role}
            disabled={isOwn}
            onChange={(event) => change({ role: event.currentTarget.value as Role })}
          >
            {roles.map(([role, words]) => (
              <option key={role} value={role}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <span class="space" />
        {isOwn && <span class="dim">This is you.</span>}
        {!isOwn && user.is_active && (
          <button
            type="button"
            class="button danger"
            title="Their tokens end for good, their files stay"
            onClick={deactivate}
          >
            Deactivate
          </button>
        )}
        {!user.is_active && (
          <button type="button" class="button" onClick={() => change({ is_active: true })}>
            Activate again
          </button>
        )}
      </div>
      {user.is_active && <Tokens user={user} />}
    </div>
  )
}

import { useState } from 'preact/hooks'
import { LandfallError, type Role, type User } from '../../client/client.ts'
import { useVisit } from '../parts/app.ts'
import { sentence } from '../words.ts'
import { roles } from './roles.ts'

const names: readonly [field: 'username' | 'first_name' | 'last_name', words: string][] = [
  ['username', 'Username'],
  ['first_name', 'First name'],
  ['last_name', 'Last name'],
]

export function NewUserForm({ onMade }: { onMade: (user: User) => void }) {
  const { client } = useVisit()
  const [wrong, setWrong] = useState<LandfallError['fields']>({})
  const [trouble, setTrouble] = useState<string | null>(null)

  async function make(form: HTMLFormElement): Promise<void> {
    const data = new FormData(form)
    const text = (name: string) => String(data.get(name) ?? '').trim()
    setWrong({})
    setTrouble(null)
    try {
      const user = await client.users.create({
        username: text('username'),
        first_name: text('first_name'),
        last_name: text('last_name'),
        role: text('role') as Role,
      })
      onMade(user)
    } catch (error) {
      const fields = error instanceof LandfallError ? error.fields : {}
      setWrong(fields)
      if (Object.keys(fields).length === 0) setTrouble(sentence(error))
    }
  }

  return (
    <form
      class="panel form"
      onSubmit={(event) => {
        event.preventDefault()
        void make(event.currentTarget)
      }}
    >
      {names.map(([name, words]) => (
        <label key={name} class="field">
          <span>{words}</span>
          <input name={name} required={name === 'username'} aria-invalid={name in wrong} />
          {wrong[name] && (
            <span class="trouble" role="alert">
              {wrong[name].join(' ')}
            </span>
          )}
        </label>
      ))}
      <label class="field">
        <span>Role</span>
        <select name="role">
          {roles.map(([role, words]) => (
            <option key={role} value={role}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="button primary">
        Make the account
      </button>
      {trouble !== null && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
    </form>
  )
}

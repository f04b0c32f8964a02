import { randomBytes } from 'node:crypto'
import { keepSecret } from './secrets.ts'

export interface TestAccounts {
  /** A new user with this role; answers the Authorization value and the ids. */
  add(
    role: 'user' | 'staff' | 'admin',
    username?: string,
  ): Promise<{ id: number; username: string; authorization: string; tokenId: number }>
}

/** Makes accounts the way an administrator does: over HTTP. */
export function createAccounts(url: string, admin: string): TestAccounts {
  async function post(path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { Authorization: admin, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as Record<string, unknown>
  }
  return {
    async add(role, username = `${role}-${randomBytes(4).toString('hex')}`) {
      const user = await post('/api/users', { username, role })
      const token = await post(`/api/users/${user.id}/tokens`, {})
      keepSecret(token.key as string)
      return {
        id: user.id as number,
        username,
        authorization: `Token ${token.key}`,
        tokenId: token.id as number,
      }
    },
  }
}

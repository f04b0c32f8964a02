import { type Command, InvalidArgumentError, Option } from 'commander'
import { roles } from '../auth/actor.ts'
import { type Client, createClient } from './client.ts'
import type { CommandContext } from './context.ts'
import { CommandFailure } from './exit.ts'
import { type Output, table } from './output.ts'

interface UserAnswer {
  id: number
  username: string
  full_name: string
  role: string
  is_active: boolean
  last_login: string | null
}

/** `users …` and `tokens …`: accounts of a running server. */
export function addAccountCommands(program: Command, { env, output }: CommandContext): void {
  const users = program.command('users').description('Users of a running server.')
  users
    .command('add')
    .description('Make a user.')
    .argument('<name>', 'the username')
    .addOption(new Option('--role <role>').choices([...roles]).makeOptionMandatory())
    .option('--first-name <text>')
    .option('--last-name <text>')
    .option('--json', 'print the user as JSON')
    .action(async (username: string, options) => {
      const user = (await createClient(env).request('POST', '/api/users', {
        username,
        role: options.role,
        first_name: options.firstName,
        last_name: options.lastName,
      })) as UserAnswer
      output.note(`Made ${user.username} (id ${user.id}, ${user.role}).`)
      if (options.json) output.result(JSON.stringify(user))
    })
  users
    .command('list')
    .description('Print all users.')
    .option('--json', 'print them as a JSON array')
    .action(async (options) => printUsers(await allUsers(createClient(env)), options, output))

  const tokens = program.command('tokens').description('Tokens of a running server.')
  tokens
    .command('add')
    .description('Make a token and print it, this once.')
    .argument('<name>', 'the username of who it is for')
    .option('--label <text>', 'what it is for')
    .option('--expires-at <time>', 'when it ends, such as 2030-01-31T12:00:00Z')
    .option('--json', 'print the token and all about it as JSON')
    .action(async (username: string, options) => {
      const client = createClient(env)
      const user = (await allUsers(client)).find((one) => one.username === username)
      if (user === undefined) throw new CommandFailure(`There is no user ${username}.`)
      const token = (await client.request('POST', `/api/users/${user.id}/tokens`, {
        name: options.label,
        expires_at: options.expiresAt,
      })) as { id: number; key: string }
      output.note(`Token ${token.id} of ${username}. It is not shown again.`)
      output.result(options.json ? JSON.stringify(token) : token.key)
    })
  tokens
    .command('revoke')
    .description('End a token from now on.')
    .argument('<id>', 'the id of the token', parseId)
    .action(async (id: number) => {
      await createClient(env).request('DELETE', `/api/tokens/${id}`)
      output.note(`Token ${id} is revoked.`)
    })
}

function parseId(text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) throw new InvalidArgumentError('It is not a number.')
  return Number(text)
}

/** By offset rather than by the `next` links, which may name a public host. */
async function allUsers(client: Client): Promise<UserAnswer[]> {
  const found: UserAnswer[] = []
  for (;;) {
    const path = `/api/users?limit=1000&offset=${found.length}`
    const page = (await client.request('GET', path)) as { count: number; results: UserAnswer[] }
    found.push(...page.results)
    if (page.results.length === 0 || found.length >= page.count) return found
  }
}

function printUsers(users: UserAnswer[], options: { json?: boolean }, output: Output): void {
  if (options.json) {
    output.result(JSON.stringify(users))
    return
  }
  const rows = users.map((user) => [
    user.id,
    user.username,
    user.full_name,
    user.role,
    user.is_active ? 'yes' : 'no',
    user.last_login ?? 'never',
  ])
  output.result(table(['ID', 'USERNAME', 'NAME', 'ROLE', 'ACTIVE', 'LAST LOGIN'], rows))
}

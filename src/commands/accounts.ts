import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Role, roles } from '../auth/actor.ts'
import type { User } from '../client/client.ts'
import { connect } from './connect.ts'
import type { CommandContext } from './context.ts'
import { CommandFailure } from './exit.ts'
import { type Output, table } from './output.ts'

/** `users …` and `tokens …`: accounts of a running server. */
export function addAccountCommands(program: Command, context: CommandContext): void {
  addUserCommands(program, context)
  addTokenCommands(program, context)
}

function addUserCommands(program: Command, { env, output }: CommandContext): void {
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
      const user = await connect(env).users.create({
        username,
        role: options.role as Role,
        first_name: options.firstName,
        last_name: options.lastName,
      })
      output.note(`Made ${user.username} (id ${user.id}, ${user.role}).`)
      if (options.json) output.result(JSON.stringify(user))
    })
  users
    .command('list')
    .description('Print all users.')
    .option('--json', 'print them as a JSON array')
    .action(async (options) => {
      const found: User[] = []
      for await (const user of connect(env).users.each()) found.push(user)
      printUsers(found, options, output)
    })
}

function addTokenCommands(program: Command, { env, output }: CommandContext): void {
  const tokens = program.command('tokens').description('Tokens of a running server.')
  tokens
    .command('add')
    .description('Make a token and print it, this once.')
    .argument('<name>', 'the username of who it is for')
    .option('--label <text>', 'what it is for')
    .option('--expires-at <time>', 'when it ends, such as 2030-01-31T12:00:00Z')
    .option('--json', 'print the token and all about it as JSON')
    .action(async (username: string, options) => {
      const client = connect(env)
      let id: number | undefined
      for await (const user of client.users.each()) if (user.username === username) id = user.id
      if (id === undefined) throw new CommandFailure(`There is no user ${username}.`)
      const token = await client.tokens.create(id, {
        name: options.label,
        expires_at: options.expiresAt,
      })
      output.note(`Token ${token.id} of ${username}. It is not shown again.`)
      output.result(options.json ? JSON.stringify(token) : token.key)
    })
  tokens
    .command('revoke')
    .description('End a token from now on.')
    .argument('<id>', 'the id of the token', parseId)
    .action(async (id: number) => {
      await connect(env).tokens.revoke(id)
      output.note(`Token ${id} is revoked.`)
    })
}

function parseId(text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) throw new InvalidArgumentError('It is not a number.')
  return Number(text)
}

function printUsers(users: User[], options: { json?: boolean }, output: Output): void {
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

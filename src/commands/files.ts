import type { Command } from 'commander'
import type { FileQuery } from '../client/client.ts'
import { connect } from './connect.ts'
import type { CommandContext } from './context.ts'
import { table } from './output.ts'

/** The parameters of `GET /api/media/files`; what a value may be is the server's to say. */
const filters = {
  search: 'words that must be in the name or id',
  type: 'type, or a comma list (image,video)',
  ordering: 'fields to order by, - for descending (-size,name)',
  limit: 'how many (10, at most 1000)',
  offset: 'how many to leave out',
  user_id: 'of this user',
  size_min: 'bytes',
  size_max: 'bytes',
  width_min: 'pixels',
  width_max: 'pixels',
  height_min: 'pixels',
  height_max: 'pixels',
  id_min: 'lowest id',
  id_max: 'highest id',
  created_date: 'day, such as 2026-03-04',
  created_from: 'day or time',
  created_to: 'day or time',
  updated_date: 'day',
  updated_from: 'day or time',
  updated_to: 'day or time',
} as const

/** `files`: the library of a running server. */
export function addFilesCommand(program: Command, { env, output }: CommandContext): void {
  const command = program.command('files').description('List the media files of a running server.')
  for (const [name, meaning] of Object.entries(filters)) {
    command.option(`--${name.replace('_', '-')} <value>`, meaning)
  }
  command.option('--json', 'print the answer of the server as JSON')
  command.action(async (options: Record<string, string | boolean>) => {
    const query: Record<string, string> = {}
    for (const name of Object.keys(filters)) {
      const value = options[name.replace(/_(.)/, (_, letter: string) => letter.toUpperCase())]
      if (typeof value === 'string') query[name] = value
    }
    // As it was typed: the server says what is wrong with it.
    const listing = await connect(env).files.list(query as FileQuery)
    if (options.json) {
      output.result(JSON.stringify(listing))
      return
    }
    const rows = listing.results.map((file) => [
      file.id,
      file.type,
      file.human_readable_size,
      file.created_at,
      file.name,
      file.f,
    ])
    output.result(table(['ID', 'TYPE', 'SIZE', 'CREATED', 'NAME', 'URL'], rows))
    output.note(`${rows.length} of ${listing.count}`)
  })
}

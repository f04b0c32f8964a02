import { type Command, InvalidArgumentError, Option } from 'commander'
import { connect } from './connect.ts'
import type { CommandContext } from './context.ts'
import { CommandFailure } from './exit.ts'
import { table } from './output.ts'

/** `webhooks …`: what a running server has sent, and sending it again. */
export function addWebhookCommands(program: Command, { env, output }: CommandContext): void {
  const webhooks = program.command('webhooks').description('Webhooks of a running server.')
  webhooks
    .command('test')
    .description('Send a test event now; fails where it does not arrive.')
    .option('--json', 'print what happened as JSON')
    .action(async (options) => {
      const tried = await connect(env).webhooks.test()
      if (options.json) output.result(JSON.stringify(tried))
      const facts = `${tried.error ?? `answered ${tried.status}`} (${tried.duration_ms} ms)`
      if (tried.outcome === 'failed') throw new CommandFailure(`Not delivered: ${facts}.`)
      output.note(`Delivered: ${facts}.`)
    })
  webhooks
    .command('deliveries')
    .description('List the tries to deliver events, newest first.')
    .option('--event <type>', 'such as media.created')
    .addOption(new Option('--outcome <outcome>').choices(['delivered', 'failed']))
    .option('--event-id <id>', 'of one event', parseId)
    .option('--limit <count>', 'how many (10, at most 1000)')
    .option('--offset <count>', 'how many to leave out')
    .option('--json', 'print the answer of the server as JSON')
    .action(async (options) => {
      const { event, outcome, eventId: event_id, limit, offset } = options
      const query = { event, outcome, event_id, limit, offset }
      const listing = await connect(env).webhooks.deliveries(query)
      if (options.json) return output.result(JSON.stringify(listing))
      const rows = listing.results.map((one) => [
        ...[one.event_id, one.event, one.at, one.attempt, one.outcome, one.status],
        ...[one.duration_ms, one.error],
      ])
      const heads = ['EVENT', 'TYPE', 'AT', 'TRY', 'OUTCOME', 'STATUS', 'MS', 'ERROR']
      output.result(table(heads, rows))
      output.note(`${rows.length} of ${listing.count}`)
    })
  webhooks
    .command('resend')
    .description('Deliver an event again.')
    .argument('<event>', 'its id', parseId)
    .action(async (id: number) => {
      await connect(env).webhooks.resend(id)
      output.note(`Event ${id} is sent again.`)
    })
}

function parseId(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('It is not a number.')
  return Number(text)
}

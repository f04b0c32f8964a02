import { deliveryFilters, eventFilters } from '../webhook-filters.ts'
import { mediaFileExample } from './examples.ts'
import {
  answer,
  header,
  type Paths,
  page,
  pageOf,
  paging,
  pathId,
  query,
  ref,
  refused,
} from './parts.ts'

const time = '2026-03-04T05:06:07.123456Z'
const message = {
  id: 42,
  message_id: 'msg_3f0c5a4e-6f0e-4e0b-9a55-0d6f6d1b2c7a',
  event: 'media.deleted',
  subject: 'media:17',
}

const eventExample = {
  ...message,
  data: { id: 17, upload: '0b6c2f7e-1b1f-4f0c-9a44-3f1f4d9e7a10', name: 'holiday.jpg' },
  state: 'delivered',
  attempts: 1,
  created_at: time,
  next_attempt_at: null,
  delivered_at: time,
  given_up_at: null,
}

const deliveryExample = {
  ...message,
  id: 7,
  event_id: 42,
  attempt: 1,
  at: time,
  outcome: 'delivered',
  status: 204,
  error: null,
  duration_ms: 31,
}

const { message_id } = message
const testExample = {
  event: 'landfall.test',
  message_id,
  outcome: 'delivered',
  status: 204,
  error: null,
  duration_ms: 31,
}

const sentExample = (access: string) => ({
  type: 'media.created',
  timestamp: time,
  data: { ...eventExample.data, file: mediaFileExample(access) },
})

function streamExample(access: string): string {
  const data = `data: ${JSON.stringify(sentExample(access))}`
  const lines = ['retry: 3000', 'id: 41', '', 'id: 42', 'event: media.created', data, '', '']
  return lines.join('\n')
}

const filtersOf = (filters: typeof eventFilters | typeof deliveryFilters) =>
  Object.entries(filters).map(([name, { schema }]) => query(name, `Only of this ${name}.`, schema))

const tags = ['Webhooks']

/** @param access MEDIA_ACCESS */
export const eventPaths = (access: string): Paths => ({
  '/api/events': {
    get: {
      operationId: 'followEvents',
      tags: ['Events'],
      summary: 'Follow what happens, as server-sent events',
      description:
        'Staff and admins hear of every file, a user of their own. The stream goes on until one ' +
        'side ends it; a comment comes every 20 seconds. `data` is an Event as webhooks send it.',
      parameters: [
        header('Last-Event-ID', 'The last `id` that was seen: what came after it comes first.', {
          schema: { type: 'string', pattern: '^[0-9]+$' },
          example: '0',
        }),
      ],
      responses: {
        200: {
          description: 'The stream.',
          content: {
            'text/event-stream': { schema: { type: 'string' }, example: streamExample(access) },
          },
        },
        ...refused(400, 401, 503),
      },
    },
  },
  '/api/webhooks/events': {
    get: {
      operationId: 'listWebhookEvents',
      tags,
      summary: 'List events and what became of their delivery, newest first',
      description: 'This and all below are for admins. Events are kept for 30 days.',
      parameters: [...paging, ...filtersOf(eventFilters)],
      responses: {
        200: answer('One page.', pageOf(ref('WebhookEvent')), page(eventExample)),
        ...refused(400, 401, 403, 503),
      },
    },
  },
  '/api/webhooks/deliveries': {
    get: {
      operationId: 'listWebhookDeliveries',
      tags,
      summary: 'List every try to deliver an event, newest first',
      parameters: [...paging, ...filtersOf(deliveryFilters)],
      responses: {
        200: answer('One page.', pageOf(ref('WebhookDelivery')), page(deliveryExample)),
        ...refused(400, 401, 403, 503),
      },
    },
  },
  '/api/webhooks/events/{id}/resend': {
    post: {
      operationId: 'resendWebhookEvent',
      tags,
      summary: 'Deliver an event again',
      parameters: [pathId('id', 'Of the event.', 42)],
      responses: {
        202: answer('It is sent soon.', ref('WebhookEvent'), {
          ...eventExample,
          state: 'pending',
          attempts: 0,
          next_attempt_at: time,
          delivered_at: null,
        }),
        ...refused(400, 401, 403, 404, 503),
      },
    },
  },
  '/api/webhooks/test': {
    post: {
      operationId: 'testWebhook',
      tags,
      summary: 'Send a test event now',
      responses: {
        200: answer('What came of it.', ref('WebhookTest'), testExample),
        ...refused(400, 401, 403, 503),
      },
    },
  },
})

/** What the server sends to WEBHOOK_URL. */
export const webhooks = (access: string) => ({
  event: {
    post: {
      operationId: 'receiveEvent',
      tags,
      summary: 'An event, as Standard Webhooks has it',
      parameters: ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
        header(name, 'See standardwebhooks.com.', { required: true }),
      ),
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: ref('Event'),
            example: sentExample(access),
          },
        },
      },
      responses: { 204: { description: 'Any 2xx: it arrived. All else is tried again.' } },
    },
  },
})

import { answer, type Paths } from './parts.ts'

const tags = ['Operations']
const status = { type: 'string', enum: ['ok', 'unavailable'] }

/** What is open to everybody, and says nothing about files. */
export const operationPaths: Paths = {
  '/healthz': {
    get: {
      operationId: 'isAlive',
      tags,
      summary: 'Whether the process is up',
      security: [],
      responses: {
        200: answer(
          'It is.',
          { type: 'object', required: ['status'], properties: { status } },
          { status: 'ok' },
        ),
      },
    },
  },
  '/readyz': {
    get: {
      operationId: 'isReady',
      tags,
      summary: 'Whether database and storage answer',
      security: [],
      responses: {
        200: answer(
          'They do.',
          { type: 'object', required: ['status'], properties: { status } },
          { status: 'ok' },
        ),
        503: answer(
          'Those that do not.',
          {
            type: 'object',
            required: ['status', 'unavailable'],
            properties: { status, unavailable: { type: 'array', items: { type: 'string' } } },
          },
          { status: 'unavailable', unavailable: ['database'] },
        ),
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'getMetrics',
      tags,
      summary: 'Metrics for Prometheus',
      security: [],
      responses: {
        200: {
          description: 'In the text format.',
          content: { 'text/plain': { schema: { type: 'string' } } },
        },
      },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'getDescription',
      tags,
      summary: 'This document',
      security: [],
      responses: {
        200: answer('OpenAPI 3.1.', {
          type: 'object',
          required: ['openapi', 'info', 'paths'],
          properties: { openapi: { type: 'string', pattern: '^3\\.1\\.' } },
        }),
      },
    },
  },
}

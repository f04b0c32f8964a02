import { schemaOf } from '../../media/fields.ts'
import {
  newTokenFields,
  newUserFields,
  requiredOfNewUser,
  userChangeFields,
} from '../account-input.ts'
import {
  answer,
  jsonBody,
  nothing,
  type Paths,
  page,
  pageOf,
  paging,
  pathId,
  ref,
  refused,
} from './parts.ts'

const tags = ['Accounts']
const user = ref('User')
const created_at = '2026-03-04T05:06:07.123456Z'

const userExample = {
  id: 3,
  username: 'anna',
  first_name: 'Anna',
  last_name: 'Berg',
  full_name: 'Anna Berg',
  role: 'user',
  is_active: true,
  last_login: null,
  created_at,
}

const tokenExample = { id: 8, name: 'laptop', created_at, expires_at: '2040-01-01T00:00:00Z' }

export const accountPaths: Paths = {
  '/api/me': {
    get: {
      operationId: 'getMe',
      tags,
      summary: 'Who am I',
      description: 'For anybody with a token.',
      responses: { 200: answer('The user of the token.', user, userExample), ...refused(401, 503) },
    },
  },
  '/api/users': {
    get: {
      operationId: 'listUsers',
      tags,
      summary: 'List users, deactivated ones too',
      description: 'This and all below are for admins.',
      parameters: paging,
      responses: {
        200: answer('One page.', pageOf(user), page(userExample)),
        ...refused(401, 403, 503),
      },
    },
    post: {
      operationId: 'createUser',
      tags,
      summary: 'Make a user',
      requestBody: jsonBody(schemaOf(newUserFields, requiredOfNewUser), {
        username: 'anna',
        role: 'user',
        first_name: 'Anna',
        last_name: 'Berg',
      }),
      responses: {
        201: answer('The user.', user, userExample),
        ...refused(400, 401, 403, 413, 415, 503),
      },
    },
  },
  '/api/users/{id}': {
    get: {
      operationId: 'getUser',
      tags,
      summary: 'Get a user',
      parameters: [pathId('id', 'Its id.', 3)],
      responses: { 200: answer('The user.', user, userExample), ...refused(401, 403, 404, 503) },
    },
    patch: {
      operationId: 'changeUser',
      tags,
      summary: 'Change a user',
      description: 'Nobody takes the role of an admin from themselves, or deactivates themselves.',
      parameters: [pathId('id', 'Its id.', 3)],
      requestBody: jsonBody(schemaOf(userChangeFields), { role: 'staff' }),
      responses: {
        200: answer('The user as they are now.', user, { ...userExample, role: 'staff' }),
        ...refused(400, 401, 403, 404, 413, 415, 503),
      },
    },
    delete: {
      operationId: 'deactivateUser',
      tags,
      summary: 'Deactivate a user',
      description: 'Their tokens end for good; their files stay.',
      parameters: [pathId('id', 'Its id.', 3)],
      responses: {
        204: nothing('They can no longer come in.'),
        ...refused(400, 401, 403, 404, 503),
      },
    },
  },
  '/api/users/{id}/tokens': {
    get: {
      operationId: 'listTokens',
      tags,
      summary: 'List the tokens of a user that were not revoked, without their keys',
      parameters: [pathId('id', 'Id of the user.', 3), ...paging],
      responses: {
        200: answer('One page.', pageOf(ref('Token')), page(tokenExample)),
        ...refused(401, 403, 404, 503),
      },
    },
    post: {
      operationId: 'createToken',
      tags,
      summary: 'Make a token',
      parameters: [pathId('id', 'Id of the user.', 3)],
      requestBody: jsonBody(
        schemaOf(newTokenFields),
        { name: 'laptop', expires_at: '2040-01-01T00:00:00Z' },
        false,
      ),
      responses: {
        201: answer('The token, with its key, this once.', ref('NewToken'), {
          ...tokenExample,
          key: 'lf_…',
        }),
        ...refused(400, 401, 403, 404, 413, 415, 503),
      },
    },
  },
  '/api/tokens/{id}': {
    delete: {
      operationId: 'revokeToken',
      tags,
      summary: 'End a token from the next request on',
      parameters: [pathId('id', 'Its id.', 8)],
      responses: { 204: nothing('It is ended.'), ...refused(401, 403, 404, 503) },
    },
  },
}

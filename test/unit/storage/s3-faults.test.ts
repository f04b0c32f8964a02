import { describe, expect, it } from 'vitest'
import { bucketProblem, isPassing, s3Fault } from '../../../src/storage/s3-faults.ts'

const error = (name: string, httpStatusCode?: number, code?: string) =>
  Object.assign(new Error('words of the store'), {
    name,
    code,
    $metadata: { httpStatusCode },
  })

describe('an error of the store', () => {
  it.each([
    [error('NoSuchKey', 404), 'not-found'],
    [error('NotFound', 404), 'not-found'],
    [error('NoSuchBucket', 404), 'unavailable'],
    [error('NoSuchUpload', 404), 'unavailable'],
    [error('XMinioStorageFull', 507), 'storage-full'],
    [error('QuotaExceeded', 403), 'storage-full'],
    [error('InternalError', 500), 'unavailable'],
    [error('Error', undefined, 'ECONNREFUSED'), 'unavailable'],
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'storage-full'],
    [new Error('a mistake of ours'), 'unavailable'],
  ])('%s is %s, in our words', (cause, reason) => {
    const fault = s3Fault(cause)
    expect(fault).toMatchObject({ reason, cause })
    expect(fault.message).not.toContain('store')
  })

  it.each([
    [error('SlowDown', 503), true],
    [error('InternalError', 500), true],
    [error('TooManyRequests', 429), true],
    [error('RequestTimeout', 400), true],
    [error('ConditionalRequestConflict', 409), true],
    [error('Error', undefined, 'ECONNRESET'), true],
    [error('AccessDenied', 403), false],
    [error('PreconditionFailed', 412), false],
    [error('NotImplemented', 501), false],
    [error('XMinioStorageFull', 507), false],
    [error('AbortError'), false],
    [error('CredentialsProviderError'), false],
  ])('%s: worth another try: %s', (cause, passing) => {
    expect(isPassing(cause)).toBe(passing)
  })
})

describe('what is wrong at the start', () => {
  it.each([
    [error('NoSuchBucket', 404), 'S3_BUCKET: there is no bucket media at https://s3.example;'],
    [error('PermanentRedirect', 301), 'S3_REGION: the bucket media is in another region'],
    [error('AuthorizationHeaderMalformed', 400), 'S3_REGION: the bucket media is in another'],
    [error('AccessDenied', 403), 'S3_BUCKET: these credentials may not use media;'],
    [error('InvalidAccessKeyId', 403), 'S3 credentials: https://s3.example refuses them (Inv'],
    [error('CredentialsProviderError'), 'S3 credentials: none are found;'],
    [error('Error', undefined, 'ENOTFOUND'), 'S3_ENDPOINT: https://s3.example does not answer'],
    [error('SyntaxError', 200), 'S3_ENDPOINT: https://s3.example does not answer as an S3 store'],
  ])('%s is told as what to mend', (cause, told) => {
    const place = { bucket: 'media', endpoint: 'https://s3.example' }
    expect(bucketProblem(cause, place)).toMatch(told)
    expect(bucketProblem(cause, place)).not.toContain('words of the store')
  })
})

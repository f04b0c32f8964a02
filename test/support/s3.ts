import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { inject } from 'vitest'

/** A bucket of its own, and the settings of a server that stores in it. */
export interface TestBucket {
  name: string
  /** Settings of a server, and its credentials. */
  env: Record<string, string>
  client: S3Client
  /** Keys of everything in it. */
  keys(): Promise<string[]>
  /** Keys of multipart uploads that are open, one for each. */
  openMultiparts(): Promise<string[]>
}

const access = inject('s3')
/** The SDK's notice of what Node its later releases want is no line of our log. */
const NO_NOTICE = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/** Whether there is an S3 store to test with; where there is none, the run has said so. */
export const hasS3 = access !== null

// A server in this process finds them as any server does.
if (access !== null) {
  process.env.AWS_ACCESS_KEY_ID = access.accessKeyId
  process.env.AWS_SECRET_ACCESS_KEY = access.secretAccessKey
  process.env[NO_NOTICE] = 'true'
}

/** What `npm run test:s3` sets: `s3` gives every server of a test a bucket in the place of a folder. */
export const serversOnS3 = process.env.LANDFALL_TEST_STORAGE === 's3'

/** @param endpoint where servers reach the store. Default: the store itself. */
export async function createBucket(endpoint?: string): Promise<TestBucket> {
  if (access === null) throw new Error('there is no S3 store to test with')
  const { accessKeyId, secretAccessKey } = access
  const client = new S3Client({
    endpoint: access.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
  })
  const Bucket = `landfall-${randomBytes(8).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket }))
  return {
    name: Bucket,
    client,
    env: {
      STORAGE: 's3',
      S3_BUCKET: Bucket,
      S3_ENDPOINT: endpoint ?? access.endpoint,
      S3_FORCE_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      [NO_NOTICE]: 'true',
    },
    async keys() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
      return Contents.map(({ Key }) => Key ?? '')
    },
    async openMultiparts() {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
      return Uploads.map(({ Key }) => Key ?? '')
    },
  }
}

/** Where the store is; of use where `hasS3`. */
export function s3Endpoint(): string {
  return access?.endpoint ?? ''
}

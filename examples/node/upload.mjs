/**
 * Sends files one after the other. Stop it, kill it or lose the network: the next run goes on where
 * the server is.
 *
 *   LANDFALL_URL=http://127.0.0.1:8080 LANDFALL_TOKEN=lf_... node upload.mjs FILE...
 *
 * Prints the URL of each stored file.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { FileUrlStorage, Upload } from 'tus-js-client'

const { LANDFALL_URL = 'http://127.0.0.1:8080', LANDFALL_TOKEN } = process.env
/** Where the URLs of uploads are kept that are not finished. */
const NOTES = process.env.NOTES ?? path.join(homedir(), '.landfall-uploads.json')

/** Resolves with the URL of the stored file. */
async function send(file) {
  const { size, mtimeMs } = await stat(file)
  return new Promise((resolve, reject) => {
    const upload = new Upload(createReadStream(file), {
      endpoint: `${LANDFALL_URL}/files/`,
      headers: { Authorization: `Token ${LANDFALL_TOKEN}` },
      metadata: { filename: path.basename(file) },
      // Seconds of an outage are waited for; after that the next run goes on.
      retryDelays: [0, 500, 1000, 2000, 5000, 10_000],
      urlStorage: new FileUrlStorage(NOTES),
      // The same file, and not a changed one of its name.
      fingerprint: async () => [LANDFALL_URL, path.resolve(file), size, mtimeMs].join(' '),
      removeFingerprintOnSuccess: true,
      onProgress(sent, total) {
        if (process.stderr.isTTY)
          process.stderr.write(`\r${file}: ${((100 * sent) / total).toFixed(1)} %`)
      },
      onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader('Landfall-Media-Url')),
      onError: reject,
    })
    upload.findPreviousUploads().then(([earlier]) => {
      if (earlier) {
        console.error(`${file}: going on`)
        upload.resumeFromPreviousUpload(earlier)
      }
      upload.start()
    }, reject)
  })
}

const files = process.argv.slice(2)
if (files.length === 0 || !LANDFALL_TOKEN) {
  console.error('usage: LANDFALL_URL=... LANDFALL_TOKEN=... node upload.mjs FILE...')
  process.exit(2)
}
for (const file of files) {
  try {
    console.log(await send(file))
  } catch (error) {
    console.error(`${file}: ${error.message}`)
    process.exitCode = 1
  }
}

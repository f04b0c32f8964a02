import type { Peer } from '../upload-server.ts'
import { startDjango } from './django.ts'
import { removeFiles } from './files.ts'

/** drf-chunked-upload on Django and Postgres behind gunicorn, set up as its README does. */
export const drfChunkedUpload: Peer = {
  name: 'drf-chunked-upload',
  async start(place) {
    const server = await startDjango(place)
    const chunks = `${server.origin}/uploads/`
    return { ...server, uploads: chunks, chunks, clean: () => removeFiles(server.media) }
  },
}

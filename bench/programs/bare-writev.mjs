// What an upload costs at least in Node: `node bare-writev.mjs PORT DIRECTORY plain|synced`. POST
// answers with a place, PATCH writes its body there with writev, while the next batch arrives.
import { close, fdatasync, open, writev } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'

const [port, directory, mode] = process.argv.slice(2)
/** Bytes that wait at most before the socket is told to. */
const AHEAD = 4 * 1024 * 1024
let count = 0

const server = createServer((request, response) => {
  if (request.method !== 'POST') return receive(request, response)
  request.resume()
  const location = `/${count++}`
  response.writeHead(201, { Location: location }).end()
})

function receive(request, response) {
  open(path.join(directory, path.basename(request.url)), 'w', (error, fd) => {
    if (error) throw error
    let waiting = []
    let bytes = 0
    let offset = 0
    let writing = false
    let ended = false
    const write = () => {
      if (writing) return
      if (bytes === 0) {
        if (ended) finish(fd, response, offset)
        return
      }
      writing = true
      const batch = waiting
      const size = bytes
      waiting = []
      bytes = 0
      request.resume()
      writev(fd, batch, offset, (failed, written) => {
        if (failed || written !== size) throw failed ?? new Error('a short write')
        offset += size
        writing = false
        write()
      })
    }
    request.on('data', (chunk) => {
      waiting.push(chunk)
      bytes += chunk.length
      if (bytes >= AHEAD) request.pause()
      write()
    })
    request.on('end', () => {
      ended = true
      write()
    })
  })
}

function finish(fd, response, offset) {
  const answer = (error) => {
    if (error) throw error
    close(fd, () => response.writeHead(204, { 'Upload-Offset': String(offset) }).end())
  }
  if (mode === 'synced') fdatasync(fd, answer)
  else answer(null)
}

server.listen(Number(port), '127.0.0.1')

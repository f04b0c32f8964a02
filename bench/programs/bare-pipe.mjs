// What a download costs at least in Node: `node bare-pipe.mjs PORT FILE`.
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'

const [port, file] = process.argv.slice(2)
const { size } = statSync(file)
createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': size })
  createReadStream(file).pipe(response)
}).listen(Number(port), '127.0.0.1')

#!/usr/bin/env node
/**
 * The part of curl that README.md uses, for machines that have none: its blocks are run on every
 * machine that has Node.
 */
import { openAsBlob } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    silent: { type: 'boolean', short: 's' },
    'show-error': { type: 'boolean', short: 'S' },
    head: { type: 'boolean', short: 'I' },
    request: { type: 'string', short: 'X' },
    header: { type: 'string', short: 'H', multiple: true, default: [] },
    form: { type: 'string', short: 'F', multiple: true, default: [] },
    'upload-file': { type: 'string', short: 'T' },
    'dump-header': { type: 'string', short: 'D' },
    output: { type: 'string', short: 'o' },
  },
})
const [url, ...more] = positionals
const upload = values['upload-file']
const dump = values['dump-header']
if (url === undefined || more.length > 0) throw new Error('one URL, please')
if (upload !== undefined && upload !== '-') throw new Error('-T takes only -')
if (dump !== undefined && dump !== '-') throw new Error('-D takes only -')

const headers = new Headers(
  values.header.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  }),
)
const body = upload === undefined ? await form(values.form) : process.stdin
const answer = await fetch(url, {
  method: values.request ?? (values.head ? 'HEAD' : 'GET'),
  headers,
  redirect: 'manual',
  ...(body === undefined ? {} : { body, duplex: 'half' }),
})
if (values.head || dump !== undefined) {
  const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}\r\n`)
  process.stdout.write(`HTTP/1.1 ${answer.status} ${answer.statusText}\r\n${lines.join('')}\r\n`)
}
const bytes = new Uint8Array(await answer.arrayBuffer())
if (values.output === undefined) process.stdout.write(bytes)
else await writeFile(values.output, bytes)

/** @param {string[]} fields `name=text` or `name=@file` */
async function form(fields) {
  if (fields.length === 0) return undefined
  const data = new FormData()
  for (const field of fields) {
    const equals = field.indexOf('=')
    const [name, value] = [field.slice(0, equals), field.slice(equals + 1)]
    if (!value.startsWith('@')) data.append(name, value)
    else data.append(name, await openAsBlob(value.slice(1)), basename(value.slice(1)))
  }
  return data
}

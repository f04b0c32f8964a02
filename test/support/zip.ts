import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipFile {
  name: string
  content: string | Uint8Array
  /** Not compressed; default false. */
  stored?: boolean
}

export interface ZipOptions {
  /** Bytes before the archive. */
  before?: Uint8Array
  comment?: string
  /** Places and sizes in zip64 records only. */
  zip64?: boolean
}

const record = (
  signature: number,
  ...fields: (readonly [value: number | bigint, bytes: number])[]
) => {
  const buffer = Buffer.alloc(4 + fields.reduce((sum, [, bytes]) => sum + bytes, 0))
  buffer.writeUInt32LE(signature, 0)
  let at = 4
  for (const [value, bytes] of fields) {
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value), at)
    else buffer.writeUIntLE(Number(value), at, bytes)
    at += bytes
  }
  return buffer
}

/** A real zip archive, byte for byte by APPNOTE 6.3.10. */
export const buildZip = (files: readonly ZipFile[], options: ZipOptions = {}): Uint8Array => {
  const { before = new Uint8Array(0), comment = '', zip64 = false } = options
  const parts: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let at = 0
  const push = (...buffers: Uint8Array[]): void => {
    for (const buffer of buffers) at += buffer.length
    parts.push(...buffers)
  }
  for (const { name, content, stored = false } of files) {
    const data = Buffer.from(content)
    const packed = stored ? data : deflateRawSync(data)
    const nameBytes = Buffer.from(name)
    const common = [
      [stored ? 0 : 8, 2],
      [0, 2],
      [0x21, 2],
      [crc32(data), 4],
    ] as const
    const sizes = [
      [packed.length, 4],
      [data.length, 4],
      [nameBytes.length, 2],
    ] as const
    const place = at
    push(record(0x04034b50, [20, 2], [0, 2], ...common, ...sizes, [0, 2]), nameBytes, packed)
    const extra = zip64
      ? Buffer.concat([Buffer.from([1, 0, 8, 0]), record(0, [0, 4])]).subarray(0, 12)
      : Buffer.alloc(0)
    if (zip64) extra.writeBigUInt64LE(BigInt(place), 4)
    directory.push(
      record(
        0x02014b50,
        [20, 2],
        [20, 2],
        [0, 2],
        ...common,
        ...sizes,
        [extra.length, 2],
        [0, 2],
        [0, 2],
        [0, 2],
        [0, 4],
        [zip64 ? 0xffffffff : place, 4],
      ),
      nameBytes,
      extra,
    )
  }
  const start = at
  push(...directory)
  const length = at - start
  if (zip64) {
    const place = at
    const count = files.length
    push(
      record(
        0x06064b50,
        [44, 8],
        [45, 2],
        [45, 2],
        [0, 4],
        [0, 4],
        [count, 8],
        [count, 8],
        [length, 8],
        [start, 8],
      ),
      record(0x07064b50, [0, 4], [place, 8], [1, 4]),
    )
  }
  const limit = zip64 ? 0xffffffff : null
  push(
    record(
      0x06054b50,
      [0, 2],
      [0, 2],
      [files.length, 2],
      [files.length, 2],
      [limit ?? length, 4],
      [limit ?? start, 4],
      [comment.length, 2],
    ),
    Buffer.from(comment),
  )
  return Buffer.concat([before, ...parts])
}

/** The smallest package that says by its content types which main part it has. */
export const buildPackage = (contentType: string, folder: string): Uint8Array =>
  buildZip([
    {
      name: '[Content_Types].xml',
      content: `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/><Override PartName="/${folder}/main.xml" ContentType="${contentType}"/></Types>`,
    },
    { name: `${folder}/main.xml`, content: '<main/>' },
  ])

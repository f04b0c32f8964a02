import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'

/** A landscape in a few colours: sky from top to bottom, where the sun is, and its hills. */
interface Scene {
  name: string
  sky: readonly [top: string, bottom: string]
  sun: readonly [x: number, y: number, colour: string]
  hills: readonly string[]
}

const scenes: readonly Scene[] = [
  {
    name: 'Morning over the bay.jpg',
    sky: ['#f7d9a8', '#f3a683'],
    sun: [0.68, 0.46, '#fff3d6'],
    hills: ['#c97b84', '#8d5a7a', '#4a3b62'],
  },
  {
    name: 'Harbour wall.jpg',
    sky: ['#bfe3e8', '#eaf4ee'],
    sun: [0.24, 0.3, '#ffffff'],
    hills: ['#8fbcc0', '#4f8d94', '#24565f'],
  },
  {
    name: 'Pine ridge.jpg',
    sky: ['#dfe9e2', '#b7cdbf'],
    sun: [0.5, 0.34, '#fbfff4'],
    hills: ['#86a893', '#4d7661', '#234536'],
  },
  {
    name: 'Night ferry.jpg',
    sky: ['#101a3a', '#3c3f75'],
    sun: [0.78, 0.24, '#f6f1c9'],
    hills: ['#2a2f5e', '#191d42', '#0b0d22'],
  },
  {
    name: 'Salt marsh.jpg',
    sky: ['#ffe9c9', '#ffd0b0'],
    sun: [0.34, 0.52, '#fffaf0'],
    hills: ['#d9a679', '#a87d55', '#6a5138'],
  },
  {
    name: 'Cliff path.jpg',
    sky: ['#9fc5ea', '#e8f1f8'],
    sun: [0.84, 0.22, '#ffffff'],
    hills: ['#9bb877', '#6a9250', '#3b6233'],
  },
  {
    name: 'Red evening.jpg',
    sky: ['#5a1f3d', '#e8604c'],
    sun: [0.42, 0.58, '#ffd9a0'],
    hills: ['#8e2f45', '#5c1d38', '#2c0f24'],
  },
  {
    name: 'Winter light.jpg',
    sky: ['#e6ecf5', '#ccd7e8'],
    sun: [0.6, 0.36, '#ffffff'],
    hills: ['#b4c2d6', '#8497b3', '#55698a'],
  },
]

/** The same height at the same place each time, so that pictures of the page are the same. */
function hill(width: number, height: number, level: number, layer: number, seed: number): string {
  const points = Array.from({ length: 161 }, (_, index) => {
    const at = (index / 160) * 24
    const x = (at / 24) * width
    const wave = Math.sin(at * (0.25 + (seed % 3) * 0.09 + layer * 0.13) + layer * 2.1 + seed) * 0.5
    const ripple = Math.sin(at * (0.9 + (seed % 4) * 0.17 + layer * 0.31) + seed * 2) * 0.2
    return `${x.toFixed(0)},${(height * (level + (wave + ripple) * 0.09)).toFixed(0)}`
  })
  return `M0,${height} L${points.join(' L')} L${width},${height} Z`
}

async function paint(scene: Scene): Promise<Buffer> {
  const { sky, sun, hills } = scene
  const seed = scenes.indexOf(scene)
  const [width, height] = [1600, 1200]
  const [x, y, colour] = sun
  const layers = hills.map(
    (fill, at) =>
      `<path d="${hill(width, height, 0.58 + at * 0.13, at + 1, seed)}" fill="${fill}"/>`,
  )
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <defs>
      <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
        <stop offset="0" stop-color="${sky[0]}"/><stop offset="1" stop-color="${sky[1]}"/>
      </linearGradient>
      <radialGradient id="glow">
        <stop offset="0" stop-color="${colour}" stop-opacity="0.9"/>
        <stop offset="1" stop-color="${colour}" stop-opacity="0"/>
      </radialGradient>
    </defs>
    <rect width="${width}" height="${height}" fill="url(#sky)"/>
    <circle cx="${x * width}" cy="${y * height}" r="${width * 0.22}" fill="url(#glow)"/>
    <circle cx="${x * width}" cy="${y * height}" r="${width * 0.055}" fill="${colour}"/>
    ${layers.join('\n')}
  </svg>`
  return sharp(Buffer.from(svg)).jpeg({ quality: 92 }).toBuffer()
}

/** A PDF of one page with a title and some lines. */
function pdf(title: string): Buffer {
  const lines = [title, '', 'Quay 4, north side', 'Two berths, 38 m and 52 m', 'Open from May on']
  const words = lines
    .map((line, at) => `BT /F1 ${at === 0 ? 24 : 13} Tf 60 ${760 - at * 30} Td (${line}) Tj ET`)
    .join('\n')
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R' +
      ' /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${words.length} >>\nstream\n${words}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ]
  let text = '%PDF-1.4\n'
  const places = objects.map((object, at) => {
    const place = text.length
    text += `${at + 1} 0 obj\n${object}\nendobj\n`
    return `${String(place).padStart(10, '0')} 00000 n \n`
  })
  const start = text.length
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.join('')}`
  text += `trailer << /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`
  return Buffer.from(text, 'latin1')
}

/** A second of a tone. */
function wav(): Buffer {
  const samples = Buffer.alloc(44_100 * 2)
  for (let at = 0; at < 44_100; at++)
    samples.writeInt16LE(Math.round(Math.sin((at / 44_100) * 440 * 2 * Math.PI) * 9_000), at * 2)
  const header = Buffer.alloc(44)
  header.write('RIFF')
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(44_100, 24)
  header.writeUInt32LE(88_200, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}

const notes = `Harbour survey, week 12

- Berth 3: fender replaced, photographs in this folder
- Berth 4: ladder loose, report to the harbour office
- Tide gauge reads 4 cm too high since Tuesday

Next visit: the north mole.
`

/** Files that look like those of people, in `folder`: pictures, and one of several other types. */
export async function writeSampleFiles(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const files: [string, Uint8Array | string][] = [
    ['Berth plan.pdf', pdf('Berth plan 2026')],
    ['Foghorn.wav', wav()],
    ['Survey notes.txt', notes],
    [
      'Tides.csv',
      `time,height\n${Array.from({ length: 40 }, (_, at) => `${at}:00,${3 + (at % 7) / 10}`).join('\n')}\n`,
    ],
    ...(
      await Promise.all(scenes.map(async (scene) => [scene.name, await paint(scene)] as const))
    ).map(([name, bytes]): [string, Uint8Array] => [name, bytes]),
  ]
  return Promise.all(
    files.map(async ([name, bytes]) => {
      const file = path.join(folder, name)
      await writeFile(file, bytes)
      return file
    }),
  )
}

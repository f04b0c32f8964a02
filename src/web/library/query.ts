import { formatBytes } from '../format.ts'
import { queryNames } from '../state/place.ts'

/** Every key that files can be ordered by, and which way it begins. */
export const orderings: readonly [key: string, words: string, starts: '' | '-'][] = [
  ['created_at', 'Date added', '-'],
  ['updated_at', 'Date changed', '-'],
  ['name', 'Name', ''],
  ['size', 'Size', '-'],
  ['type', 'Type', ''],
  ['width', 'Width', '-'],
  ['height', 'Height', '-'],
  ['mode', 'Pixel format', ''],
  ['id', 'Id', '-'],
  ['user__username', 'Username', ''],
  ['user__first_name', 'First name', ''],
  ['user__last_name', 'Last name', ''],
  ['user__last_login', 'Last seen', '-'],
  ['user__id', 'User id', ''],
]

export const types: readonly [type: string, words: string][] = [
  ['image', 'Images'],
  ['video', 'Videos'],
  ['audio', 'Audio'],
  ['pdf', 'PDF'],
  ['document', 'Documents'],
  ['spreadsheet', 'Spreadsheets'],
  ['presentation', 'Presentations'],
  ['text', 'Text'],
  ['compressed', 'Archives'],
  ['other', 'Other'],
]

/** What a filter is called where it stands alone. */
const words: Readonly<Record<string, string>> = {
  user_id: 'User',
  size_min: 'At least',
  size_max: 'At most',
  width_min: 'Width from',
  width_max: 'Width to',
  height_min: 'Height from',
  height_max: 'Height to',
  id_min: 'Id from',
  id_max: 'Id to',
  created_date: 'Added on',
  updated_date: 'Changed on',
  created_from: 'Added from',
  created_to: 'Added until',
  updated_from: 'Changed from',
  updated_to: 'Changed until',
}

/** The filters that are shown one by one, which a search and an ordering are not. */
export const filterNames = queryNames.filter((name) => name !== 'search' && name !== 'ordering')

export function wordsOfFilter(name: string, value: string): string {
  if (name === 'type') {
    const named = value.split(',').map((each) => types.find(([type]) => type === each)?.[1] ?? each)
    return named.join(', ')
  }
  const shown = /^size_/.test(name) && /^\d+$/.test(value) ? formatBytes(Number(value)) : value
  return `${words[name] ?? name} ${shown}`
}

const UNITS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 }

/** `1.5 MB` or `2000` as bytes; null for what is no size. */
export function parseBytes(text: string): number | null {
  const [, digits = '', unit = ''] =
    /^\s*(\d+(?:[.,]\d+)?)\s*(?:([kmgt])i?b?|b|bytes?)?\s*$/i.exec(text) ?? []
  if (digits === '') return null
  return Math.round(Number(digits.replace(',', '.')) * 1024 ** (UNITS[unit.toLowerCase()] ?? 0))
}

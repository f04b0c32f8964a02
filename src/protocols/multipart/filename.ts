/** As Django cleans the name of an uploaded file: what cannot be printed is left out. */
export function printable(filename: string): string {
  return filename.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trim()
}

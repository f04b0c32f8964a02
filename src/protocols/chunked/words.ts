import { Fault } from '../../errors.ts'

/** What the door refuses, in the words of drf-chunked-upload: clients compare them. */

const refused = (text: string, members?: Record<string, number | null>) =>
  new Fault('bad-request', { text, members })

export const noChunk = () => refused('No chunk file was submitted')

export const badRange = () => refused('Error in request headers')

export const pastTotal = (total: number) =>
  refused(`End of chunk exceeds reported total (${total} bytes)`)

export const overLimit = (limit: number) =>
  refused(`Size of file exceeds the limit (${limit} bytes)`)

/** @param found null where it is longer than reported and nobody counted how much */
export const sizeDiffers = (found: number | null, reported: number) =>
  refused(
    `File size doesn't match headers: file size is ${found ?? `more than ${reported}`} but ` +
      `${reported} reported`,
  )

export const offsetsDiffer = (expected: number, provided: number) =>
  refused('Offsets do not match', { expected_offset: expected, provided_offset: provided })

/** Beyond the source, which believes each chunk anew. */
export const totalsDiffer = (expected: number, provided: number) =>
  refused('Total size does not match', { expected_total: expected, provided_total: provided })

/** Beyond the source, which completes what is not there yet. */
export const notFinished = (total: number | null, offset: number) =>
  refused('Upload is not finished', { expected_offset: total, provided_offset: offset })

export const alreadyComplete = () => refused('Upload has already been marked as "complete"')

export const expired = () => new Fault('upload-ended', { text: 'Upload has expired' })

export const checksumMissing = (name: string) => refused(`Checksum of type '${name}' is required`)

export const checksumDiffers = () => refused('checksum does not match')

export const emptyFile = () =>
  new Fault('bad-request', { fields: { file: ['The submitted file is empty.'] } })

export const nameTooLong = (most: number) =>
  new Fault('bad-request', {
    fields: { filename: [`Ensure this field has no more than ${most} characters.`] },
  })

/** The two answers that only django-chunked-upload gives. */
export const ancestorNeedsBoth = () => refused("Both 'upload_id' and 'md5' are required")
export const ancestorDigestDiffers = () => refused('md5 checksum does not match')

/** Something that is measured against cannot be had here; the message says why. */
export class Absent extends Error {}

/** The work's value, or the reason why there is none. Other errors are thrown on. */
export async function orAbsent<T>(work: Promise<T>): Promise<T | Absent> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Absent) return error
    throw error
  }
}

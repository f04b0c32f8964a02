/** Whether a process exists (one that ended but was not waited for still does). */
export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits up to five seconds for a process to be gone. */
export const ended = async (pid: number): Promise<boolean> => {
  for (let tries = 0; tries < 200 && isRunning(pid); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return !isRunning(pid)
}

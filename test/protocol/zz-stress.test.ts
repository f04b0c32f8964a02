import { expect, it } from 'vitest'
import { startServer } from '/work/main/test/support/server.ts'
import { counted, sessionClient } from '/work/main/test/support/sessions.ts'
import { encode, tusClient } from '/work/main/test/support/tus.ts'
it('stress', async () => {
  const server = await startServer({ env: { SESSION_MAX_FILES: '1000' } })
  const user = await server.accounts.add('user')
  const client = sessionClient(server.url, user.authorization)
  const tus = tusClient(server.url, user.authorization)
  const [t1, t2] = [await client.open(), await client.open()]
  let slow = 0, worst = 0
  const statuses: Record<string, number> = {}
  const timed = async (what: string, w: Promise<{ status: number }>) => {
    const b = performance.now(); const { status } = await w
    const ms = performance.now() - b; worst = Math.max(worst, ms); if (ms > 900) slow++
    statuses[`${what} ${status}`] = (statuses[`${what} ${status}`] ?? 0) + 1
  }
  for (let round = 0; round < 8; round++) {
    const work = [...Array(24)].map(async (_, at) => {
      const token = at % 2 ? t1 : t2
      const name = `f${at % 6}.txt`
      if (at % 4 < 2) await timed('add', client.add(token, name, 'x'.repeat(1000)))
      else if (at % 4 === 2) await timed('del', client.call('DELETE', `/${token}/files/${name}`))
      else {
        const made = await tus.create({ 'Upload-Defer-Length': '1', 'Upload-Metadata': encode({ filename: name, session: token }) })
        await timed('tus', Promise.resolve(made))
        const url = made.headers.get('location')
        if (url) { await timed('patch', tus.patch(url, 0, 'hello')); await timed('tdel', tus.remove(url)) }
      }
    })
    await Promise.all(work)
    await counted(server, t1); await counted(server, t2)
  }
  console.log(statuses, { slow, worst })
  const errors = server.logged.filter((l) => (l.level as number) >= 40 || l.level === 'error' || l.level === 'warn')
  console.log(JSON.stringify(errors.slice(0, 5)).slice(0, 1500), errors.length)
  await server.close()
}, 120000)

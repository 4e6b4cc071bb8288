import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import { startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'

vi.setConfig({ testTimeout: 60_000 })

test('an address that goes on sending wrong keys waits for its answers; right keys and other addresses do not', async () => {
  const server = await startCli({ database: join(temporaryFolder(), 'clientele.db'), args: ['--trust-proxy'] })
  const { key = '' } = server
  // Enough to earn the longest delay, all at once so that they wait side by side.
  const spree = await Promise.all(Array.from({ length: limits.wrongKeysFreePerMinute + 6 }, () => ask({ key: 'wrong' })))
  expect(new Set(spree)).toEqual(new Set([401]))

  const answered: string[] = []
  const note = async (who: string, answer: Promise<number>): Promise<void> => { answered.push(`${who} ${await answer}`) }
  const slowed = note('a wrong key from here', ask({ key: 'wrong' }))
  // Each of these begins when the one before is answered, and all of them after the first.
  await note('the right key from here', ask({ key }))
  await note('no key from here', ask({}))
  await note('a wrong key from elsewhere', ask({ key: 'wrong', from: '192.0.2.2' }))
  await slowed
  expect(answered).toEqual(['the right key from here 200', 'no key from here 401', 'a wrong key from elsewhere 401', 'a wrong key from here 401'])

  async function ask({ key: secret, from = '192.0.2.1' }: { key?: string; from?: string }): Promise<number> {
    return (await server.withKey(secret).call('GET', '/v1/customers', undefined, { 'x-forwarded-for': from })).status
  }
})

import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { openStore } from '../../src/cli/open-store.ts'
import { openOrganization } from '../conformance/open-organization.ts'
import { createDatabase, temporaryFolder } from '../engines.ts'
import { runCli } from './start-cli.ts'

vi.setConfig({ testTimeout: 180_000 })

/** Customers of all shards, with events, one of them deleted. */
async function fill(url: string, { customers }: { customers: number }): Promise<void> {
  const store = await openStore(url)
  try {
    const { create, recordEvent, delete: remove } = await openOrganization(store)
    await Promise.all(Array.from({ length: customers }, async (_, index) => {
      const { id } = await create({ userId: `u-${index}`, tags: index % 2 === 0 ? ['even'] : ['odd', 'vip'], customData: { index, plan: 'pro' } })
      await recordEvent({ name: 'paid', customer: id })
    }))
    await remove(3)
  } finally {
    await store.close()
  }
}

interface Report {
  readonly isEqual: boolean
  readonly tables: readonly unknown[]
}

test('a database on several machines takes a copy in the place of what it holds, and gives it back', async () => {
  const newFile = (): string => `sqlite:${join(temporaryFolder(), 'clientele.db')}`
  const [source, { url: target }, back] = [newFile(), await createDatabase(), newFile()]
  await fill(source, { customers: 300 })
  await fill(target, { customers: 20 })
  const copy = async (from: string, to: string, ...flags: string[]): Promise<Report> => {
    const { status, stdout, stderr } = await runCli(['copy', '--from', from, '--to', to, '--json', ...flags])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return JSON.parse(stdout) as Report
  }
  const { isEqual, tables } = await copy(source, target, '--overwrite')
  const sound = { status: 0, stdout: expect.stringMatching(/: 299 customers, all sound\.\n$/), stderr: '' }

  expect(isEqual).toBe(true)
  expect(await runCli(['doctor', '--check', '--database', target])).toEqual(sound)
  expect(await copy(target, back)).toMatchObject({ isEqual: true, tables })
  expect(await runCli(['doctor', '--check', '--database', back])).toEqual(sound)
})

import { vi } from 'vitest'
import type { RunningCli } from './start-cli.ts'

/** Resolves when the searches of the server's organization are answered from its index. */
export async function untilIndexed(server: RunningCli): Promise<void> {
  await vi.waitUntil(async () => {
    const { body } = await server.call('POST', '/v1/customers/search', { sort: 'id', limit: 1, explain: true })
    return (body as { explain: { plan: string } }).explain.plan.startsWith('columns')
  }, { timeout: 20_000, interval: 5 })
}

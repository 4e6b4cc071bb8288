import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'
import type { Arrival, Mood, ReceiverOrder } from './webhook-receiver.ts'

export interface Receiver {
  /** Has a server deliver to this receiver. */
  subscribe(server: RunningCli, path: string, draft: object): Promise<{ id: number }>
  behave(mood: Mood): void
  arrivals(): Arrival[]
}

/** A real receiver of webhooks in a process of its own, which ends with the test. */
export async function startReceiver(): Promise<Receiver> {
  const log = join(temporaryFolder(), 'arrivals')
  const child = fork(fileURLToPath(new URL('webhook-receiver.ts', import.meta.url)), [log])
  onTestFinished(() => { child.kill('SIGKILL') })
  const [port] = await once(child, 'message') as [number]
  const tell = (order: ReceiverOrder): void => { child.send(order) }
  return {
    async subscribe(server, path, draft) {
      const { status, body } = await server.call('POST', '/v1/webhooks', { url: `http://127.0.0.1:${port}${path}`, ...draft })
      if (status !== 201) throw new Error(`A webhook was not made: ${status} ${JSON.stringify(body)}`)
      const { id, secret } = body as { id: number; secret: string }
      tell({ path, secret })
      return { id }
    },
    behave: (mood) => { tell({ mood }) },
    arrivals() {
      const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
      // The last line may be half written.
      return text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Arrival)
    }
  }
}

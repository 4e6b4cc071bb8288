import type { IncomingMessage } from 'node:http'
import { Agent, get } from 'node:http'
import { onTestFinished, vi } from 'vitest'

/** One event of a stream of changes, its data parsed. */
interface StreamedEvent {
  readonly id: string
  readonly event: string
  readonly data: { readonly id: number; readonly customerId: number | null }
}

export interface EventReader {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** The whole answer so far, as it came. */
  text(): string
  events(): StreamedEvent[]
  /** Resolves with the first events, as many as that. */
  first(count: number): Promise<StreamedEvent[]>
  /** The id that a reader would send to go on. */
  lastId(): string
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>
  close(): void
}

interface ReaderOptions {
  readonly key: string
  readonly path?: string
  readonly headers?: Record<string, string>
}

/** Opens a stream and reads it to its end, as a client of Server-Sent Events does. */
export async function openStream(url: string, { key, path = '/v1/changes/stream', headers = {} }: ReaderOptions): Promise<EventReader> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // Of its own, since one that is shared keeps some waiting for others.
    const request = get(`${url}${path}`, { agent: new Agent(), headers: { authorization: `Bearer ${key}`, ...headers } }, resolve)
    request.on('error', reject)
  })
  onTestFinished(() => { response.destroy() })
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => { text += chunk })
  // A connection that is cut off fails as well as it ends.
  response.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => { response.on('close', () => { resolve() }) })
  const events = (): StreamedEvent[] => blocksOf(text).flatMap(({ id, event, data }) =>
    (data === undefined ? [] : [{ id: id ?? '', event: event ?? '', data: JSON.parse(data) as StreamedEvent['data'] }]))
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: () => text,
    events,
    async first(count) {
      await vi.waitUntil(() => events().length >= count, { timeout: 30_000, interval: 5 })
      return events().slice(0, count)
    },
    lastId: () => blocksOf(text).findLast(({ id }) => id !== undefined)?.id ?? '',
    closed,
    close: () => { response.destroy() }
  }
}

function blocksOf(text: string): Record<string, string>[] {
  return text.slice(0, text.lastIndexOf('\n\n') + 1).split('\n\n').map((block) => Object.fromEntries(block.split('\n').map((line) => {
    const colon = line.indexOf(': ')
    return [line.slice(0, Math.max(colon, 0)), line.slice(colon + 2)]
  })))
}

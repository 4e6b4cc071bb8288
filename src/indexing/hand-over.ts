import type { MessagePort } from 'node:worker_threads'
import type { ReadResult } from './read-pool.ts'

/**
 * Answers the thread that asked. The bytes of a page are handed over rather than copied: bytes left behind are garbage
 * outside of the heap, of which V8 collects some 10 MB, a hundred pages, by marking the whole heap.
 */
export function handOver(port: MessagePort, result: ReadResult): void {
  if ('error' in result || result.value === undefined) {
    port.postMessage(result)
    return
  }
  const customers = ownBytes(result.value.customers)
  port.postMessage({ value: { ...result.value, customers } } satisfies ReadResult, [customers.buffer])
}

/** Small buffers share their memory with others, which must stay here, and a part is not worth the whole. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? new Uint8Array(buffer) : new Uint8Array(bytes)
}

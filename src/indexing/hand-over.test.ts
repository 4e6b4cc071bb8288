import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { expect, test } from 'vitest'
import type { FoundPage } from '../store.ts'
import { handOver } from './hand-over.ts'

function handedOver(customers: Uint8Array): unknown {
  const { port1, port2 } = new MessageChannel()
  const page: FoundPage = { customers, count: 1, total: null, next: null, pageMs: 1, totalMs: 0, explanation: null }
  handOver(port1, { value: page })
  const received = receiveMessageOnPort(port2)
  port1.close()
  return received
}

function messageOf(text: string): unknown {
  return { message: { value: { customers: new Uint8Array(Buffer.from(text)), count: 1, total: null, next: null, pageMs: 1, totalMs: 0, explanation: null } } }
}

test('bytes that have their memory to themselves leave with it', () => {
  const customers = Uint8Array.from(Buffer.from('{"id":1}'))
  expect(handedOver(customers)).toEqual(messageOf('{"id":1}'))
  expect(customers.byteLength).toBe(0)
})

test('bytes that share their memory with others are copied', () => {
  const shared = Uint8Array.from(Buffer.from('{"id":1}{"id":2}'))
  expect(handedOver(shared.subarray(8))).toEqual(messageOf('{"id":2}'))
  expect(Buffer.from(shared).toString()).toBe('{"id":1}{"id":2}')
})

import { expect, test } from 'vitest'
import { requestIdAt } from './request-id.ts'

test('a request id is a UUID of version 7 that begins with its time', () => {
  // The example of RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
  expect(requestIdAt(0x017F22E279B0)).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(requestIdAt(1)).toMatch(/^00000000-0001-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

test('ids of later milliseconds sort behind, and those of one differ', () => {
  const ids = [1, 15, 16, 1_700_000_000_000, 1_700_000_000_001].map(requestIdAt)
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(Array.from({ length: 1_000 }, () => requestIdAt(5))).size).toBe(1_000)
})

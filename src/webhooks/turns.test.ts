import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('only so many pieces of work run at once, and all others in their order, failed ones included', async () => {
  const turns = new Turns(2)
  const [begun, ends] = [[] as number[], [] as (() => void)[]]
  const works = Array.from({ length: 5 }, async (_, index) => await turns.take(async () => {
    begun.push(index)
    await new Promise<void>((resolve) => { ends[index] = resolve })
    if (index === 1) throw new Error('failed')
    return index
  }))
  const settled = Promise.allSettled(works)
  expect(begun).toEqual([0, 1])
  for (let index = 0; index < 5; index += 1) {
    while (ends[index] === undefined) await Promise.resolve()
    expect(begun.length).toBe(Math.min(5, index + 2))
    ends[index]?.()
    await Promise.allSettled([works[index]])
  }
  expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IdColumn } from './id-column.ts'

const gap = fc.oneof({ weight: 6, arbitrary: fc.constant(1) }, { weight: 2, arbitrary: fc.integer({ min: 2, max: 9 }) }, { weight: 1, arbitrary: fc.integer({ min: 10, max: 2 ** 33 }) })

test('the row from which ids reach an id is the first that is not below it, however ids are spread', () => {
  fc.assert(fc.property(fc.array(gap, { maxLength: 200, size: 'max' }), fc.array(fc.nat(), { maxLength: 5 }), (gaps, others) => {
    const ids = gaps.map((_, index) => gaps.slice(0, index + 1).reduce((sum, one) => sum + one, 0))
    const column = new IdColumn()
    ids.forEach((id, row) => { column.set(row, id) })
    const sought = [0, ...ids.flatMap((id) => [id - 1, id, id + 1]), ...others, Infinity]
    expect(sought.map((id) => column.rowFrom(id))).toEqual(sought.map((id) => ids.filter((other) => other < id).length))
  }), { numRuns: 300 })
})

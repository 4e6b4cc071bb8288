import { expect, test } from 'vitest'
import { Explanation } from './explanation.ts'

/** What EXPLAIN tells of a sort of customers that a scan found. */
function sorted(scan: object): unknown {
  return [{ Plan: { 'Node Type': 'Sort', Plans: [{ 'Actual Loops': 1, 'Relation Name': 'customers', ...scan }] } }]
}

test('rows passed over count where an index leads to the own organization alone, and never where they may be of others', () => {
  const entries = [
    { 'Node Type': 'Index Scan', 'Index Name': 'customers_by_email', 'Actual Rows': 3, 'Rows Removed by Filter': 40 },
    { 'Node Type': 'Index Scan', 'Index Name': 'customers_pkey', 'Actual Rows': 3, 'Rows Removed by Filter': 40 },
    { 'Node Type': 'Bitmap Heap Scan', 'Actual Rows': 3, 'Rows Removed by Filter': 40, 'Rows Removed by Index Recheck': 5 },
    { 'Node Type': 'Bitmap Index Scan', 'Index Name': 'customers_by_tag', 'Actual Rows': 43 },
    { 'Node Type': 'Seq Scan', 'Actual Rows': 3, 'Rows Removed by Filter': 4_000 }
  ].map((scan) => {
    const explanation = new Explanation()
    explanation.add('page', sorted(scan))
    return explanation.tell(100).entriesVisited
  })

  expect(entries).toEqual([43, 3, 3, 0, 100])
})

test('the plan is named after the page, and the steps are nodes without costs and rows', () => {
  const explanation = new Explanation()
  explanation.add('few', sorted({ 'Node Type': 'Index Only Scan', 'Index Name': 'events_by_name', 'Relation Name': 'events', 'Actual Rows': 2 }))
  explanation.add('page', sorted({ 'Node Type': 'Index Scan', 'Index Name': 'customers_pkey', 'Actual Rows': 2 }))
  explanation.add('total', sorted({ 'Node Type': 'Seq Scan', 'Actual Rows': 2 }))

  expect(explanation.tell(10)).toEqual({
    plan: 'by customers_pkey',
    entriesVisited: 14,
    steps: [
      'few: Sort', 'few:   Index Only Scan using events_by_name on events',
      'page: Sort', 'page:   Index Scan using customers_pkey on customers',
      'total: Sort', 'total:   Seq Scan on customers'
    ]
  })
})

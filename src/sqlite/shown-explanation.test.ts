import { expect, test } from 'vitest'
import { shownExplanation } from './shown-explanation.ts'

test.each([
  [
    'everyone read by rowid or by an index',
    { plan: 'scan', steps: ['total: SCAN customers', 'page: SEARCH customers USING INTEGER PRIMARY KEY (rowid=?)'] },
    { plan: 'by any index', steps: ['total: SEARCH customers USING INDEX customers_by_last_seen (organization_id=?)', 'page: SEARCH customers USING INTEGER PRIMARY KEY (rowid=?)'] }
  ],
  [
    'a walk by id through the rows, or through an index whose entries are then sorted',
    { plan: 'walk id', steps: ['page: SEARCH customers USING INTEGER PRIMARY KEY (rowid>?)'] },
    { plan: 'walk id', steps: ['page: SEARCH customers USING INDEX customers_by_first_seen (organization_id=?)', 'page: USE TEMP B-TREE FOR ORDER BY'] }
  ]
])('%s is explained in the same words', (_name, one, other) => {
  expect(shownExplanation({ ...one, entriesVisited: 7 })).toEqual(shownExplanation({ ...other, entriesVisited: 7 }))
})

test('what an index of the organization is used for is told', () => {
  const explanation = { plan: 'walk firstSeen', steps: ['page: SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen>?)'], entriesVisited: 7 }
  expect(shownExplanation(explanation)).toEqual(explanation)
})

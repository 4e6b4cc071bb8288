import type { Random } from './random.ts'
import { below, pick, seededRandom } from './random.ts'
import { sampleDraft, sampleEmail, tagNames } from './sample-customer.ts'
import { searchSample, tagNames as searchedTagNames } from './search/sample.ts'

export interface WorkloadRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly path: string
  readonly body?: string
}

export interface WorkloadOptions {
  readonly seed: number
  /** Customers 1 to this exist. */
  readonly customers: number
  /** Number of the first sample that no customer was made from. */
  readonly firstNewSample: number
  /** Samples below this were loaded, the customer of each having its number and one as id. */
  readonly loadedSamples: number
  /** What `ask` asks, in turn. */
  readonly searches?: readonly object[]
}

interface Workload {
  readonly status: number
  /** What sends the next request, each with an id and a body of its own. */
  readonly prepare: (options: WorkloadOptions) => () => WorkloadRequest
}

const pageCustomers = 100
const offsetMax = 100_000

export const workloads = {
  get: {
    status: 200,
    prepare: ({ seed, customers }) => {
      const random = seededRandom(seed)
      return () => ({ method: 'GET', path: `/v1/customers/${1 + below(random, customers)}` })
    }
  },
  list: {
    status: 200,
    prepare: ({ seed, customers }) => {
      const random = seededRandom(seed)
      const offsetEnd = Math.max(1, Math.min(offsetMax, customers - pageCustomers))
      return () => ({ method: 'GET', path: `/v1/customers?limit=${pageCustomers}&offset=${below(random, offsetEnd)}` })
    }
  },
  search: {
    status: 200,
    prepare: ({ seed, loadedSamples }) => {
      const random = seededRandom(seed)
      return () => post('/v1/customers/search', {
        filter: [{ field: 'customers.email', operator: '=', value: sampleEmail(below(random, loadedSamples)) }]
      })
    }
  },
  create: {
    status: 201,
    prepare: ({ firstNewSample }) => {
      let sample = firstNewSample
      return () => post('/v1/customers', sampleDraft(sample++))
    }
  },
  /** Each customer is named by the time at which it was sent. */
  timed: {
    status: 201,
    prepare: () => () => post('/v1/customers', { name: String(Date.now()), tags: ['timed'], customData: { plan: 'pro' } })
  },
  patch: {
    status: 200,
    prepare: (options) => patchAny(options, (random) => ({
      lastSeen: 1_790_000_000 + below(random, 10_000_000),
      lastPage: `https://www.example.com/orders/${below(random, 1_000_000)}`,
      customData: { number_of_payments: 60 + below(random, 1_000_000) }
    }))
  },
  tags: {
    status: 200,
    prepare: ({ seed, customers }) => {
      const random = seededRandom(seed)
      return () => ({
        method: 'PUT',
        path: `/v1/customers/${1 + below(random, customers)}/tags`,
        body: JSON.stringify({ tags: [{ name: pick(random, tagNames) }] })
      })
    }
  },
  event: {
    status: 200,
    prepare: ({ seed, customers }) => {
      const random = seededRandom(seed)
      return () => post('/v1/events', {
        name: pick(random, ['order_paid', 'invoice_sent', 'plan_changed', 'file_downloaded']),
        customer: 1 + below(random, customers),
        data: { amount: below(random, 100_000) / 100, currency: pick(random, ['EUR', 'USD', 'UAH']), order: below(random, 10_000_000) }
      })
    }
  },
  ask: {
    status: 200,
    prepare: ({ searches = [] }) => {
      let next = 0
      return () => post('/v1/customers/search', searches[next++ % searches.length] ?? {})
    }
  },
  addSearched: {
    status: 201,
    prepare: ({ seed, firstNewSample }) => {
      let sample = firstNewSample
      return () => post('/v1/customers', searchSample(seed, sample++).draft)
    }
  },
  /** Changes what is counted: one in four gets other tags. */
  touchSearched: {
    status: 200,
    prepare: (options) => patchAny(options, (random) => ({
      lastSeen: 1_790_000_000 + below(random, 1_000_000),
      customData: { payments: below(random, 500) },
      ...random() < 0.25 ? { tags: [{ name: pick(random, searchedTagNames) }] } : {}
    }))
  }
} as const satisfies Record<string, Workload>

export type WorkloadName = keyof typeof workloads

function post(path: string, body: object): WorkloadRequest {
  return { method: 'POST', path, body: JSON.stringify(body) }
}

/** A customer drawn from all, then what to patch. */
function patchAny({ seed, customers }: WorkloadOptions, patch: (random: Random) => object): () => WorkloadRequest {
  const random = seededRandom(seed)
  return () => ({ method: 'PATCH', path: `/v1/customers/${1 + below(random, customers)}`, body: JSON.stringify(patch(random)) })
}

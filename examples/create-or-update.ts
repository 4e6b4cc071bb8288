/**
 * Creates a customer, or updates the one who has the same userId.
 *
 *   API_KEY=ck_... npx node examples/create-or-update.ts
 *
 * BASE_URL is http://127.0.0.1:3000/v1 unless set. Needs nothing but fetch.
 */

const baseUrl = process.env.BASE_URL ?? 'http://127.0.0.1:3000/v1'
const apiKey = process.env.API_KEY ?? ''

interface Customer {
  readonly id: number
  readonly name: string | null
}

interface Draft {
  readonly userId: string
  readonly name?: string
  readonly email?: string
  readonly customData?: Record<string, string | number | boolean | null>
}

/** Every failure has a list of entries; the first one's `code` is what to branch on. */
class RequestFailed extends Error {
  readonly code: string
  readonly existingId: number | undefined

  constructor(errors: readonly [{ code: string; message: string; existingId?: number }]) {
    super(errors.map(({ code, message }) => `${code}: ${message}`).join('; '))
    this.code = errors[0].code
    this.existingId = errors[0].existingId
  }
}

async function request<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body)
  })
  if (response.ok) return await response.json() as Body
  const { errors } = await response.json() as { errors: [{ code: string; message: string; existingId?: number }] }
  throw new RequestFailed(errors)
}

async function createOrUpdate(draft: Draft): Promise<{ did: 'created' | 'updated'; customer: Customer }> {
  const { data: [known] } = await request<{ data: Customer[] }>('POST', '/customers/search', {
    filter: [{ field: 'customers.userId', operator: '=', value: draft.userId }], limit: 1
  })
  if (known !== undefined) {
    return { did: 'updated', customer: await request<Customer>('PATCH', `/customers/${known.id}`, draft) }
  }
  try {
    return { did: 'created', customer: await request<Customer>('POST', '/customers', draft) }
  } catch (error) {
    // Someone created the same customer between our search and now; the error says who it is.
    if (!(error instanceof RequestFailed) || error.code !== 'invalid_userId_value') throw error
    return { did: 'updated', customer: await request<Customer>('PATCH', `/customers/${error.existingId}`, draft) }
  }
}

const { did, customer } = await createOrUpdate({
  userId: 'u-1', name: 'Ann Smith', email: 'ann@example.com', customData: { plan: 'pro', seats: 12 }
})
console.log(`${did} customer ${customer.id}, ${customer.name}`)

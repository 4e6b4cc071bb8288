import type { LeaseWish, RequestLease } from '../store.ts'

interface Waiting {
  readonly resolve: (retryAfterSeconds: number) => void
  readonly reject: (error: unknown) => void
}

interface Organization {
  /** Requests that may be let in without asking. */
  left: number
  /** Let in since the last lease. */
  used: number
  /** What the last lease said: nothing remained, and when something will. */
  freeAtMs: number
  leasedAtMs: number
  isLeasing: boolean
  waiting: Waiting[]
  timer: NodeJS.Timeout | undefined
}

export interface SharedRateLimitOptions {
  readonly requestsMax: number
  readonly lease: (organizationId: number, wish: LeaseWish) => Promise<RequestLease>
}

/** Between two leases of an organization. */
const leaseMs = 1_000
const secondsAMinute = 60

/**
 * Counts what all processes grant an organization in the minute that ends now. Each leases requests as it needs
 * them, at most once a second: as many as wait, and as many as it used in the second before. What it does not
 * use it gives back a second later. A request that comes when nothing is left waits for the next lease.
 */
export class SharedRateLimit {
  readonly #options: SharedRateLimitOptions
  readonly #organizations = new Map<number, Organization>()

  constructor(options: SharedRateLimitOptions) {
    this.#options = options
  }

  /** Grants a request and answers 0, or answers after how many seconds one will be granted. */
  take(organizationId: number, nowMs: number): Promise<number> | number {
    const organization = this.#of(organizationId)
    if (organization.left > 0) {
      organization.left -= 1
      organization.used += 1
      return 0
    }
    const isKnownToBeFull = organization.freeAtMs > nowMs && nowMs - organization.leasedAtMs < leaseMs
    if (isKnownToBeFull) return Math.ceil((organization.freeAtMs - nowMs) / 1000)
    return new Promise((resolve, reject) => {
      organization.waiting.push({ resolve, reject })
      this.#schedule(organizationId, organization, nowMs)
    })
  }

  #of(organizationId: number): Organization {
    const known = this.#organizations.get(organizationId)
    if (known !== undefined) return known
    const added: Organization = { left: 0, used: 0, freeAtMs: 0, leasedAtMs: -Infinity, isLeasing: false, waiting: [], timer: undefined }
    this.#organizations.set(organizationId, added)
    return added
  }

  #schedule(organizationId: number, organization: Organization, nowMs: number): void {
    if (organization.isLeasing || organization.timer !== undefined) return
    const waitMs = Math.max(0, organization.leasedAtMs + leaseMs - nowMs)
    organization.timer = setTimeout(() => {
      organization.timer = undefined
      void this.#lease(organizationId, organization)
    }, waitMs)
    organization.timer.unref()
  }

  async #lease(organizationId: number, organization: Organization): Promise<void> {
    const { requestsMax, lease } = this.#options
    organization.isLeasing = true
    organization.leasedAtMs = Date.now()
    const isIdle = organization.used === 0 && organization.waiting.length === 0
    // An idle process keeps nothing from the others.
    const reserve = isIdle ? 0 : Math.max(organization.used, Math.ceil(requestsMax / secondsAMinute))
    const wanted = organization.waiting.length + reserve - organization.left
    organization.used = 0
    try {
      const { taken, remaining, freeAfterSeconds } = wanted === 0 ? { taken: 0, remaining: 1, freeAfterSeconds: 0 } : await lease(organizationId, { wanted, requestsMax })
      organization.left += taken
      organization.freeAtMs = remaining > 0 ? 0 : organization.leasedAtMs + freeAfterSeconds * 1000
      for (const { resolve } of organization.waiting.splice(0, Math.max(0, organization.left))) {
        organization.left -= 1
        organization.used += 1
        resolve(0)
      }
      // Those who came while the lease was on its way wait for the next one, unless nothing remains.
      if (remaining <= 0) for (const { resolve } of organization.waiting.splice(0)) resolve(Math.max(1, freeAfterSeconds))
    } catch (error) {
      for (const { reject } of organization.waiting.splice(0)) reject(error)
    } finally {
      organization.isLeasing = false
    }
    const { left, used, waiting } = organization
    if (left > 0 || used > 0 || waiting.length > 0) this.#schedule(organizationId, organization, Date.now())
  }
}

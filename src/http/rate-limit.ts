const windowMs = 60_000

/** Counts what each organization was granted in the minute that ends now. */
export class RateLimit {
  readonly #requestsMax: number
  readonly #granted = new Map<number, { readonly times: Float64Array; next: number }>()

  constructor({ requestsMax }: { requestsMax: number }) {
    this.#requestsMax = requestsMax
  }

  /** Grants a request and answers 0, or answers after how many seconds one will be granted. */
  take(organizationId: number, nowMs: number): number {
    const granted = this.#granted.get(organizationId) ?? { times: new Float64Array(this.#requestsMax).fill(-windowMs), next: 0 }
    this.#granted.set(organizationId, granted)
    // The slot to be overwritten holds the oldest of the last requestsMax grants.
    const freeAtMs = (granted.times[granted.next] ?? 0) + windowMs
    if (freeAtMs > nowMs) return Math.ceil((freeAtMs - nowMs) / 1000)
    granted.times[granted.next] = nowMs
    granted.next = (granted.next + 1) % this.#requestsMax
    return 0
  }
}

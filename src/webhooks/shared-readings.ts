import type { ChangeStore, FeedPage, FeedPosition } from '../change-store.ts'
import type { Turns } from './turns.ts'

/** Pages of feeds: webhooks of one organization that stand at the same place and are woken together read it once. */
export class SharedReadings {
  readonly #store: Pick<ChangeStore, 'readFeed'>
  readonly #turns: Turns
  readonly #limit: number
  readonly #current = new Map<string, Promise<FeedPage>>()

  constructor(store: Pick<ChangeStore, 'readFeed'>, turns: Turns, limit: number) {
    this.#store = store
    this.#turns = turns
    this.#limit = limit
  }

  async read(organizationId: number, after: FeedPosition | null): Promise<FeedPage> {
    const key = JSON.stringify([organizationId, after])
    const known = this.#current.get(key)
    if (known !== undefined) return await known
    const question = { after, limit: this.#limit, kinds: null, wantsCustomers: true }
    const reading = this.#turns.take(async () => await this.#store.readFeed(organizationId, question))
    this.#current.set(key, reading)
    // Only with those that ask in the same breath: what is read now may miss what is committed next.
    setImmediate(() => { if (this.#current.get(key) === reading) this.#current.delete(key) })
    return await reading
  }

  /** There is more to read than those who are reading now may see. */
  forget(): void {
    this.#current.clear()
  }
}

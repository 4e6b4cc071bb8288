/** What a look at the feed has found. */
export interface FeedLook {
  /** Those with changes that no look before has found. */
  readonly organizationIds: ReadonlySet<number>
  /** Whether something is on its way that can be read in a moment. */
  readonly isBehind: boolean
}

type FeedListener = (organizationIds: ReadonlySet<number>) => void

/** How often commits of other processes are looked for. */
const lookEveryMs = 200
/** Until what is on its way is looked for again, and between two looks at all: a look costs as much for one commit as for many. */
const lookAgainMs = 25

/** Tells listeners which organizations have new changes: after each commit of this process, and now and then. While nobody listens it asks nothing. */
export class FeedWatch {
  readonly #look: () => FeedLook | Promise<FeedLook>
  readonly #begin: () => void
  readonly #listeners = new Set<FeedListener>()
  #timer: NodeJS.Timeout | undefined
  #lookedAtMs = -Infinity
  #isLooking = false
  #isStale = false

  /** `begin`: the next look is the first of a watch. */
  constructor({ begin, look }: { begin: () => void; look: () => FeedLook | Promise<FeedLook> }) {
    this.#begin = begin
    this.#look = look
  }

  watch(listener: FeedListener): () => void {
    // Each call counts, also those with the same function.
    const own: FeedListener = (ids) => { listener(ids) }
    if (this.#listeners.size === 0) {
      this.#begin()
      this.#schedule(0)
    }
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
      if (this.#listeners.size === 0) this.close()
    }
  }

  noticeCommit(): void {
    if (this.#listeners.size === 0) return
    if (this.#isLooking) this.#isStale = true
    else this.#scheduleNext()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#listeners.clear()
  }

  #scheduleNext(): void {
    this.#schedule(Math.max(0, this.#lookedAtMs + lookAgainMs - performance.now()))
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { void this.#run() }, ms)
    this.#timer.unref()
  }

  async #run(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#isStale = false
    this.#lookedAtMs = performance.now()
    let isBehind = false
    try {
      const found = await this.#look()
      isBehind = found.isBehind
      if (found.organizationIds.size > 0) for (const listener of this.#listeners) listener(found.organizationIds)
    } catch {
      // The database cannot be read now: those who read the feed learn of it, and the next look finds what this one has not.
    } finally {
      this.#isLooking = false
      if (this.#listeners.size > 0) {
        if (this.#isStale) this.#scheduleNext()
        else this.#schedule(isBehind ? lookAgainMs : lookEveryMs)
      }
    }
  }
}

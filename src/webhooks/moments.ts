/** Has what may wait done at moments that are the same for all, so that what several webhooks keep is one commit. */
export class Moments {
  readonly #intervalMs: number
  readonly #works = new Map<number, Set<() => void>>()

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  /** At the last moment within this time, or at once if there is none. Answers how to call it off. */
  within(delayMs: number, work: () => void): () => void {
    const now = performance.now()
    const at = Math.max(Math.floor((now + delayMs) / this.#intervalMs) * this.#intervalMs, now)
    const works = this.#works.get(at) ?? this.#add(at, at - now)
    // Each call counts, also those with the same function.
    const own = (): void => { work() }
    works.add(own)
    return () => { works.delete(own) }
  }

  #add(at: number, delayMs: number): Set<() => void> {
    const works = new Set<() => void>()
    this.#works.set(at, works)
    setTimeout(() => {
      this.#works.delete(at)
      for (const work of works) work()
    }, delayMs).unref()
    return works
  }
}

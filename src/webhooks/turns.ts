/** Lets a few pieces of work run at once, and the others in the order in which they came. */
export class Turns {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(max: number) {
    this.#max = max
  }

  async take<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#running >= this.#max) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // The place goes from hand to hand, so that nobody who comes now takes it.
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

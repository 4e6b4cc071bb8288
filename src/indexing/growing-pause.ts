/** A pause after something failed: twice as long each time, up to a limit, until it held for as long as the longest. */
export class GrowingPause {
  readonly #firstMs: number
  readonly #longestMs: number
  #ms = 0
  #beganMs = -Infinity

  constructor({ firstMs, longestMs }: { firstMs: number; longestMs: number }) {
    this.#firstMs = firstMs
    this.#longestMs = longestMs
  }

  /** Answers how long this one is. */
  begin(nowMs: number): number {
    const hasHeld = nowMs - this.#beganMs > this.#ms + this.#longestMs
    this.#ms = hasHeld ? this.#firstMs : Math.min(2 * this.#ms, this.#longestMs)
    this.#beganMs = nowMs
    return this.#ms
  }

  isOn(nowMs: number): boolean {
    return nowMs - this.#beganMs < this.#ms
  }
}

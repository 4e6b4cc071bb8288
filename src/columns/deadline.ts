import { searchTookTooLong } from '../errors.ts'

/** As many steps as take some tenths of a millisecond; to read the clock takes as long as a few of them. */
const stepsPerGlance = 4_096
/** A step is as long as a look at 64 characters of a text. */
const charactersPerStepBits = 6

/** Stops a search that takes too long, by throwing: whoever keeps what it finds keeps it only once it is whole. */
export class Deadline {
  /** For what has to be done however long it takes. */
  static readonly none = new Deadline(Infinity)

  readonly #secondsMax: number
  readonly #nowMs: () => number
  readonly #endMs: number
  #steps = 0

  /** Begins now. */
  constructor(secondsMax: number, nowMs: () => number = () => performance.now()) {
    this.#secondsMax = secondsMax
    this.#nowMs = nowMs
    this.#endMs = nowMs() + secondsMax * 1000
  }

  /** Counts steps, each about what it takes to look at a row; now and then reads the clock. */
  count(steps: number): void {
    this.#steps += steps
    if (this.#steps >= stepsPerGlance) this.look()
  }

  /** Counts what it takes to look into a text. */
  countText(text: string): void {
    this.count(1 + (text.length >>> charactersPerStepBits))
  }

  /** Reads the clock. */
  look(): void {
    this.#steps = 0
    if (this.#nowMs() > this.#endMs) throw searchTookTooLong(this.#secondsMax)
  }
}

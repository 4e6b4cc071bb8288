/**
 * Finds a needle in a time that grows with the length of the text and not with that of the needle, whatever
 * the two repeat (Knuth, Morris and Pratt). Text and needle compare by UTF-16 units; both are whole characters.
 */
export class LongNeedle {
  readonly #needle: string
  /** For each length of a beginning of the needle: how much of the needle begins at a later place in it and reaches its end. */
  readonly #overlaps: Int32Array

  constructor(needle: string) {
    this.#needle = needle
    this.#overlaps = new Int32Array(needle.length + 1)
    let overlap = 0
    for (let length = 2; length <= needle.length; length += 1) {
      overlap = this.#further(overlap, needle.charCodeAt(length - 1))
      this.#overlaps[length] = overlap
    }
  }

  isIn(text: string): boolean {
    const { length } = this.#needle
    let matched = 0
    for (let at = 0; matched < length && text.length - at >= length - matched; at += 1) {
      matched = this.#further(matched, text.charCodeAt(at))
    }
    return matched === length
  }

  /** How much of the needle is matched after one more unit. */
  #further(matched: number, unit: number): number {
    let length = matched
    while (length > 0 && this.#needle.charCodeAt(length) !== unit) length = this.#overlaps[length] ?? 0
    return this.#needle.charCodeAt(length) === unit ? length + 1 : 0
  }
}

/** Up to this length a search by V8 takes at most as many steps a character; it is much quicker as a rule. */
const shortMax = 64
/** V8 looks for so few characters in the simplest way, without tables of its own. */
const headCharacters = 6

/**
 * For each beginning of a text, by its last place: how much of the text begins at a later place in it and
 * reaches its end. So a search goes on after a mismatch without going back (Knuth, Morris and Pratt).
 */
function overlapsOf(text: string): Uint32Array {
  const overlaps = new Uint32Array(text.length)
  let overlap = 0
  for (let at = 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    while (overlap > 0 && text.charCodeAt(overlap) !== code) overlap = overlaps[overlap - 1] ?? 0
    if (text.charCodeAt(overlap) === code) overlap += 1
    overlaps[at] = overlap
  }
  return overlaps
}

/** A text, not empty, that is sought in others, in a time that grows with their length whatever the two repeat. */
export class Needle {
  readonly text: string
  readonly #overlaps: Uint32Array | null
  readonly #head: string

  constructor(text: string) {
    this.text = text
    this.#overlaps = text.length > shortMax ? overlapsOf(text) : null
    this.#head = text.slice(0, headCharacters)
  }

  /** The first place at or after `from`; -1 when there is none. */
  indexIn(text: string, from = 0): number {
    return this.#overlaps === null ? text.indexOf(this.text, from) : this.#indexIn(text, from, this.#overlaps)
  }

  /** Goes on character by character behind each place where the needle's head lies. */
  #indexIn(text: string, from: number, overlaps: Uint32Array): number {
    const needle = this.text
    const last = needle.length - 1
    let matched = 0
    for (let at = from; at < text.length; at += 1) {
      if (matched === 0) {
        const start = text.indexOf(this.#head, at)
        if (start < 0) return -1
        matched = headCharacters
        at = start + headCharacters
      }
      const code = text.charCodeAt(at)
      while (matched > 0 && needle.charCodeAt(matched) !== code) matched = overlaps[matched - 1] ?? 0
      if (needle.charCodeAt(matched) !== code) continue
      if (matched === last) return at - last
      matched += 1
    }
    return -1
  }
}

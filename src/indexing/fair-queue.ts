/** A queue in which each key has its own line, and the lines take turns. */
export class FairQueue<Item> {
  readonly #lines = new Map<number, Item[]>()
  #length = 0

  get length(): number {
    return this.#length
  }

  /** How many items of a key wait. */
  lengthOf(key: number): number {
    return this.#lines.get(key)?.length ?? 0
  }

  push(key: number, item: Item): void {
    const line = this.#lines.get(key)
    if (line === undefined) this.#lines.set(key, [item])
    else line.push(item)
    this.#length += 1
  }

  /** The next item of the first line that may go; its key then stands behind the others. */
  shift(mayGo: (key: number) => boolean): { readonly key: number; readonly item: Item } | undefined {
    for (const [key, line] of this.#lines) {
      if (!mayGo(key)) continue
      const item = line.shift()
      if (item === undefined) continue
      this.#lines.delete(key)
      if (line.length > 0) this.#lines.set(key, line)
      this.#length -= 1
      return { key, item }
    }
    return undefined
  }
}

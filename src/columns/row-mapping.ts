/** How rows are numbered anew, when removed ones are dropped or one is put between others. */
export class RowMapping {
  /** The row before of each row; -1 for one that is new. */
  readonly #sources: Int32Array
  /** The row now of each row before; -1 for one that is dropped. */
  readonly #targets: Int32Array

  constructor(sources: Int32Array, rowsBefore: number) {
    this.#sources = sources
    this.#targets = new Int32Array(rowsBefore).fill(-1)
    sources.forEach((source, target) => {
      if (source >= 0) this.#targets[source] = target
    })
  }

  get rows(): number {
    return this.#sources.length
  }

  source(row: number): number {
    return this.#sources[row] ?? -1
  }

  target(row: number): number {
    return this.#targets[row] ?? -1
  }
}

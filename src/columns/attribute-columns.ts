import { foldCase } from '../case-folding.ts'
import type { AttributeValue } from '../contract/customer.ts'
import { encodeText } from './encoded-text.ts'
import { LabelLists } from './label-lists.ts'
import { NumberColumn } from './number-column.ts'
import type { RowMapping } from './row-mapping.ts'
import { TextColumn } from './text-column.ts'

/** An attribute has one type; a column of the other one stays empty, and so costs next to nothing. */
interface AttributeColumn {
  readonly texts: TextColumn
  readonly numbers: NumberColumn
}

/** The values of custom attributes: text folded, true and false as 1 and 0. */
export class AttributeColumns {
  readonly #codes = new Map<string, number>()
  readonly #columns: AttributeColumn[] = []
  readonly #lists = new LabelLists()

  get bytes(): number {
    // Of the objects of an attribute without values, as V8 counts them.
    const own = 1_000
    return this.#columns.reduce((sum, { texts, numbers }) => sum + own + texts.bytes + numbers.bytes, this.#lists.bytes)
  }

  text(name: string): TextColumn | undefined {
    return this.#find(name)?.texts
  }

  number(name: string): NumberColumn | undefined {
    return this.#find(name)?.numbers
  }

  set(row: number, attributes: Iterable<readonly [name: string, value: AttributeValue]>): void {
    const codes: number[] = []
    for (const [name, value] of attributes) {
      const code = this.#codeOf(name)
      codes.push(code)
      this.#put(code, row, value)
    }
    for (const code of this.#lists.set(row, codes)) this.#put(code, row, null)
  }

  copy(from: number, to: number): void {
    const codes = this.#lists.get(from)
    for (const code of codes) {
      this.#columns[code]?.texts.copy(from, to)
      this.#columns[code]?.numbers.copy(from, to)
    }
    for (const code of this.#lists.set(to, codes)) this.#put(code, to, null)
  }

  remap(mapping: RowMapping): void {
    this.#lists.remap(mapping)
    for (const { texts, numbers } of this.#columns) {
      texts.remap(mapping)
      numbers.remap(mapping)
    }
  }

  #put(code: number, row: number, value: AttributeValue | null): void {
    const isText = typeof value === 'string'
    this.#columns[code]?.texts.set(row, isText ? encodeText(foldCase(value)) : null)
    this.#columns[code]?.numbers.set(row, isText || value === null ? null : Number(value))
  }

  #find(name: string): AttributeColumn | undefined {
    const code = this.#codes.get(name)
    return code === undefined ? undefined : this.#columns[code]
  }

  #codeOf(name: string): number {
    const known = this.#codes.get(name)
    if (known !== undefined) return known
    const code = this.#columns.length
    this.#codes.set(name, code)
    this.#columns.push({ texts: new TextColumn(), numbers: new NumberColumn() })
    return code
  }
}

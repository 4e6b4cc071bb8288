import { channels, isFromChannel } from '../channel.ts'
import { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { NumberColumn } from './number-column.ts'
import type { RowOrder } from './row-order.ts'
import type { TextColumn, TextSource } from './text-column.ts'
import type { TextProbe } from './text-probe.ts'

/** The place of the channel that a customer is from among all channels, as the column of channels has it; null when it is from none. */
export function channelCode(createdFrom: string | null): number | null {
  if (createdFrom === null) return null
  const code = channels.findIndex((channel) => isFromChannel(createdFrom, channel))
  return code === -1 ? null : code
}

/** The integration ids of customers from one channel. */
export class ChannelTexts implements TextSource {
  readonly #code: number
  readonly #channelCodes: NumberColumn
  readonly #integrationIds: TextColumn

  constructor(code: number, channelCodes: NumberColumn, integrationIds: TextColumn) {
    this.#code = code
    this.#channelCodes = channelCodes
    this.#integrationIds = integrationIds
  }

  get entriesVisited(): number {
    return this.#integrationIds.entriesVisited
  }

  get isSlow(): boolean {
    return this.#integrationIds.isSlow
  }

  get(row: number): EncodedText | null {
    return this.#channelCodes.get(row) === this.#code ? this.#integrationIds.get(row) : null
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): number {
    const rows = new Bits()
    const visited = this.#integrationIds.select(probe, rows, deadline)
    for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) if (this.#channelCodes.get(row) === this.#code) found.add(row)
    return visited
  }

  count(): undefined {
    return undefined
  }

  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean {
    const test = this.#integrationIds.tester(probe, deadline)
    return (row) => this.#channelCodes.get(row) === this.#code && test(row)
  }

  follow(order: RowOrder): void {
    this.#channelCodes.follow(order)
    this.#integrationIds.follow(order)
  }

  unfollow(order: RowOrder): void {
    this.#channelCodes.unfollow(order)
    this.#integrationIds.unfollow(order)
  }
}

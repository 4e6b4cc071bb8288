import { Bits } from './bits.ts'
import type { EncodedText } from './encoded-text.ts'
import type { NumberColumn } from './number-column.ts'
import type { RowOrder } from './row-order.ts'
import type { TextColumn, TextSource } from './text-column.ts'
import type { TextProbe } from './text-probe.ts'

/** The channels that have a field for their ids. Their places are the codes in a column of channels. */
export const channels = ['telegram', 'facebook', 'instagram', 'viber', 'whatsapp'] as const

/** HelpCrunch: an id of a channel is the integrationId of customers from it, `telegram_bot` included; null when it has none. */
export function channelCode(createdFrom: string | null): number | null {
  if (createdFrom === null) return null
  const code = channels.findIndex((channel) => createdFrom === channel || createdFrom.startsWith(`${channel}_`))
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
    return this.#channelCodes.entriesVisited + this.#integrationIds.entriesVisited
  }

  get isSlow(): boolean {
    return this.#integrationIds.isSlow
  }

  get(row: number): EncodedText | null {
    return this.#channelCodes.get(row) === this.#code ? this.#integrationIds.get(row) : null
  }

  select(probe: TextProbe, found: Bits): void {
    const rows = new Bits()
    this.#integrationIds.select(probe, rows)
    const ofChannel = new Bits()
    this.#channelCodes.select({ kind: 'range', from: this.#code, to: this.#code }, ofChannel)
    rows.and(ofChannel)
    found.or(rows)
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

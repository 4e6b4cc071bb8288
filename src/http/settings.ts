import type { DateForm } from '../date-form.ts'

/** What an operator may choose about the wire. `cli/config.ts` reads it, once. */
export interface HttpSettings {
  /** Requests a minute for each organization; undefined is no limit. */
  readonly rateLimitPerMinute?: number
  readonly errorStyle: 'current' | 'legacy'
  readonly putMode: 'replace' | 'merge'
  readonly emptySearchStatus: 200 | 404
  readonly timestamps: DateForm
  readonly strictAttributes: boolean
  readonly trustProxy: boolean
  /** Addresses and networks that may read the metrics; undefined is this machine only. */
  readonly metricsHost?: string
}

export const defaultHttpSettings: HttpSettings = {
  errorStyle: 'current',
  putMode: 'replace',
  emptySearchStatus: 200,
  timestamps: 'string',
  strictAttributes: false,
  trustProxy: false
}

/** Whole seconds since 1970-01-01T00:00:00Z. */
export type UnixSeconds = number

export type Clock = () => UnixSeconds

export const systemClock: Clock = () => Math.floor(Date.now() / 1000)

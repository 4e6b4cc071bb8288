const [minute, hour] = [60, 3_600]

/** How long after each failed attempt the next one is made. After the last of them a delivery has failed. */
export const retrySeconds: readonly number[] = [5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour]

/** Part of a delay that is added at most, so that what failed together does not come back together. */
const jitter = 0.1

/** Milliseconds from the attempt of this number, from 1, to the next one; undefined when there is none. */
export function retryDelayMs(attempts: number, { schedule, random }: { schedule: readonly number[]; random: () => number }): number | undefined {
  const seconds = schedule[attempts - 1]
  return seconds === undefined ? undefined : seconds * 1000 * (1 + jitter * random())
}

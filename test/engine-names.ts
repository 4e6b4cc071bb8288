/** Every engine there is, in the order in which they are tested. */
const engineNames = ['sqlite', 'sqlite without index', 'postgres'] as const

export type EngineName = (typeof engineNames)[number]

/** The engines that `ENGINES` selects, comma-separated; all of them by default. */
export function selectedEngines({ ENGINES }: NodeJS.ProcessEnv = process.env): EngineName[] {
  const names: readonly string[] = ENGINES?.split(',') ?? engineNames
  return names.map((name) => {
    const found = engineNames.find((one) => one === name)
    if (found === undefined) throw new Error(`ENGINES names "${name}"; there are: ${engineNames.join(', ')}`)
    return found
  })
}

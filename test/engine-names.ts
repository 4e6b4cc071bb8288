/** Every engine there is, in the order in which they are tested. */
const engineNames = ['sqlite', 'sqlite without index', 'postgres', 'postgres without index', 'citus'] as const

export type EngineName = (typeof engineNames)[number]

/** The engines that `ENGINES` selects, comma-separated; by default all, Citus only where CLIENTELE_TEST_CITUS_URL names a database on a cluster. */
export function selectedEngines({ ENGINES, CLIENTELE_TEST_CITUS_URL }: NodeJS.ProcessEnv = process.env): EngineName[] {
  const hasCluster = CLIENTELE_TEST_CITUS_URL !== undefined && CLIENTELE_TEST_CITUS_URL !== ''
  const names: readonly string[] = ENGINES?.split(',') ?? engineNames.filter((name) => name !== 'citus' || hasCluster)
  if (names.includes('citus') && !hasCluster) throw new Error('ENGINES names "citus", for which CLIENTELE_TEST_CITUS_URL should name an empty database on a cluster')
  return names.map((name) => {
    const found = engineNames.find((one) => one === name)
    if (found === undefined) throw new Error(`ENGINES names "${name}"; there are: ${engineNames.join(', ')}`)
    return found
  })
}

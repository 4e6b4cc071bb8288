import type { LookupAddress } from 'node:dns'
import { lookup, Resolver } from 'node:dns/promises'
import { limits } from '../limits.ts'

/** Answers every address of a host. */
export type HostLookup = (hostname: string) => Promise<readonly LookupAddress[]>

/**
 * For targets of a process. On the public internet names are asked of name servers, any number at once: the system looks two up at a
 * time for a whole process, so two names whose servers are silent would hold up all others. But only the system knows the names of a
 * private network, such as those in its hosts file.
 */
export function hostLookup({ allowsPrivate }: { readonly allowsPrivate: boolean }): HostLookup {
  return sharedLookup(allowsPrivate ? askSystem : (hostname) => askNameServers(hostname))
}

/** Lookups of one name at the same time are one. */
export function sharedLookup(look: HostLookup): HostLookup {
  const underWay = new Map<string, ReturnType<HostLookup>>()
  return async (hostname) => {
    const found = underWay.get(hostname) ?? look(hostname).finally(() => { underWay.delete(hostname) })
    underWay.set(hostname, found)
    return await found
  }
}

async function askSystem(hostname: string): Promise<readonly LookupAddress[]> {
  return await lookup(hostname, { all: true })
}

/** `servers` are those of the system unless given. */
export async function askNameServers(
  hostname: string, { servers, timeoutMs = limits.webhookNameServerMs }: { servers?: readonly string[]; timeoutMs?: number } = {}
): Promise<readonly LookupAddress[]> {
  // A new one each time has the settings of the system as they are now.
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
  if (servers !== undefined) resolver.setServers(servers)
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  const [four, six] = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  const addresses = [...(four ?? []).map((address) => ({ address, family: 4 })), ...(six ?? []).map((address) => ({ address, family: 6 }))]
  if (addresses.length > 0) return addresses
  throw new UnresolvedHost(answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as NodeJS.ErrnoException] : [])))
}

const finalCodes: ReadonlySet<string | undefined> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME'])

/** With the code that the system would give, since those of name servers have other meanings elsewhere. */
class UnresolvedHost extends Error {
  readonly code: 'ENOTFOUND' | 'EAI_AGAIN'

  constructor(causes: readonly NodeJS.ErrnoException[]) {
    super('The host could not be resolved', { cause: causes[0] })
    this.name = 'UnresolvedHost'
    this.code = causes.every(({ code }) => finalCodes.has(code)) ? 'ENOTFOUND' : 'EAI_AGAIN'
  }
}

import { generateSecret, hashSecret } from '../api-key.ts'
import { OperatorError, UsageError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Organization, Store } from '../store.ts'
import { textFault } from '../untrusted.ts'
import { withExistingStore, withStore } from './open-store.ts'
import { isoTime, report, table } from './output.ts'

interface KeyOptions {
  readonly database: string
  readonly json?: true
}

/** Prints the secret alone on stdout, so that a script can keep it; everything else goes to stderr. */
export async function createKey(options: KeyOptions & { organization?: string; name: string }): Promise<void> {
  checkName(options.name, 'a key')
  const secret = generateSecret()
  // Only that organization is made here.
  const mayBeNew = options.organization === undefined || options.organization === 'default'
  const key = await (mayBeNew ? withStore : withExistingStore)(options.database, async (store) => {
    const secretHash = hashSecret(secret)
    if (mayBeNew) {
      const first = await store.createDefault({ name: options.name, secretHash })
      if (first !== undefined) return first
    }
    const { id } = chooseOrganization(await store.organizations(), options.organization)
    return await store.createKey({ organizationId: id, name: options.name, secretHash })
  })
  report(options, { json: { ...describeKey(key), key: secret }, text: secret })
  if (options.json !== true) process.stderr.write(`Created key ${key.id} of organization "${key.organization}". It is shown this once.\n`)
}

export async function listKeys(options: KeyOptions): Promise<void> {
  const keys = await withExistingStore(options.database, (store) => store.keys())
  const rows = keys.map(({ id, organization, name, createdAt, revokedAt }) =>
    [id, organization, name, isoTime(createdAt), revokedAt === null ? 'no' : isoTime(revokedAt)])
  report(options, {
    json: keys.map(describeKey),
    text: keys.length === 0 ? 'There are no keys. Make one with: npx clientele key create' : table(['id', 'organization', 'name', 'created', 'revoked'], rows)
  })
}

export async function revokeKey(id: number, options: KeyOptions): Promise<void> {
  const key = await withExistingStore(options.database, (store) => store.revokeKey(id))
  if (key === undefined) throw new OperatorError(`There is no key ${id}. See: npx clientele key list`)
  report(options, { json: describeKey(key), text: `Revoked key ${key.id} of organization "${key.organization}". Servers refuse it within a second.` })
}

function describeKey({ id, organization, name, createdAt, revokedAt }: Awaited<ReturnType<Store['createKey']>>): object {
  return { id, organization, name, createdAt, revokedAt }
}

function chooseOrganization(organizations: readonly Organization[], name: string | undefined): Organization {
  const names = organizations.length === 0 ? 'none yet' : organizations.map((organization) => `"${organization.name}"`).join(', ')
  const chosen = name === undefined ? organizations : organizations.filter((organization) => organization.name === name)
  const [first] = chosen
  if (first === undefined) throw new OperatorError(`There is no organization "${name ?? ''}". There are: ${names}`)
  if (chosen.length > 1) throw new UsageError(`There are several organizations. Name one with --organization: ${names}`)
  return first
}

export function checkName(name: string, what: string): void {
  if (name.trim() === '') throw new UsageError(`The name of ${what} should not be blank`)
  const fault = textFault(name, limits.nameCharactersMax)
  if (fault !== undefined) throw new UsageError(`The name of ${what} cannot be taken. ${fault}`)
}

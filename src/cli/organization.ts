import { checkName } from './key.ts'
import { withExistingStore, withStore } from './open-store.ts'
import { isoTime, report, table } from './output.ts'

interface OrganizationOptions {
  readonly database: string
  readonly json?: true
}

export async function createOrganization(name: string, options: OrganizationOptions): Promise<void> {
  checkName(name, 'an organization')
  const organization = await withStore(options.database, (store) => store.createOrganization(name))
  report(options, {
    json: organization,
    text: `Created organization "${name}". Make it a key with: npx clientele key create --organization ${JSON.stringify(name)}`
  })
}

export async function listOrganizations(options: OrganizationOptions): Promise<void> {
  const organizations = await withExistingStore(options.database, (store) => store.organizations())
  const rows = organizations.map(({ id, name, createdAt, customers }) => [id, name, isoTime(createdAt), customers])
  report(options, {
    json: organizations,
    text: organizations.length === 0 ? 'There are no organizations. npx clientele serve makes the first.' : table(['id', 'name', 'created', 'customers'], rows)
  })
}

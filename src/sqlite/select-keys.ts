/** Reads rows of the type ApiKey; the hash of the secret stays behind. */
export const selectKeys = `
  select
    api_keys.id, api_keys.organization_id as organizationId, organizations.name as organization,
    api_keys.name, api_keys.created_at as createdAt, api_keys.revoked_at as revokedAt
  from api_keys join organizations on organizations.id = organization_id`

import { performance } from 'node:perf_hooks'
import type pg from 'pg'
import type { ApiKey } from '../api-key.ts'
import { limits } from '../limits.ts'

/** Reads rows of the type ApiKey; the hash of the secret stays behind. */
export const selectKeys = `
  select
    api_keys.id, api_keys.organization_id as "organizationId", organizations.name as organization,
    api_keys.name, api_keys.created_at as "createdAt", api_keys.revoked_at as "revokedAt"
  from api_keys join organizations on organizations.id = organization_id`

interface Kept {
  readonly key: Promise<ApiKey | undefined>
  readonly readAtMs: number
}

/** Keys by the hash of their secret, each kept for a moment: another process may revoke it. */
export class KeyReader {
  readonly #pool: pg.Pool
  readonly #kept = new Map<string, Kept>()

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  find(secretHash: string): Promise<ApiKey | undefined> {
    const kept = this.#kept.get(secretHash)
    if (kept !== undefined && performance.now() - kept.readAtMs < limits.foreignRevocationNoticeMs) return kept.key
    if (this.#kept.size >= limits.keyCacheMax) this.#kept.clear()
    const key = this.#read(secretHash)
    this.#kept.set(secretHash, { key, readAtMs: performance.now() })
    // A failure to read is nothing to keep.
    key.catch(() => { this.#kept.delete(secretHash) })
    return key
  }

  /** To be called when this process revoked a key. */
  forget(): void {
    this.#kept.clear()
  }

  async #read(secretHash: string): Promise<ApiKey | undefined> {
    const { rows: [key] } = await this.#pool.query<ApiKey>(`${selectKeys} where secret_hash = $1 and revoked_at is null`, [secretHash])
    return key
  }
}

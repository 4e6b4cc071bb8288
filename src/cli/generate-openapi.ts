import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { Metrics } from '../http/metrics.ts'
import { createServer } from '../http/server.ts'
import { defaultHttpSettings } from '../http/settings.ts'
import type { WebhookRoom } from '../webhook.ts'
import { createSecretBox } from '../webhooks/secret-box.ts'
import { missingKey } from '../webhooks/secret-key.ts'
import { createWebhookRoom } from '../webhooks/webhook-room.ts'
import { openStore } from './open-store.ts'
import { version } from './version.ts'

/** The text of openapi.json, made from the routes of a server with the default settings. */
export async function openapiText(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-generate-'))
  const store = await openStore(`sqlite:${join(folder, 'clientele.db')}`)
  const metrics = new Metrics()
  const server = await createServer({ store, settings: defaultHttpSettings, log: pino({ enabled: false }), metrics, version, webhooks: idleRoom() })
  try {
    await server.ready()
    return `${JSON.stringify(server.swagger(), null, 2)}\n`
  } finally {
    await server.close()
    await store.close()
    metrics.close()
    rmSync(folder, { recursive: true })
  }
}

/** Nobody asks it for anything. */
function idleRoom(): WebhookRoom {
  return createWebhookRoom({
    store: { changesBetween: async () => [] }, box: createSecretBox(missingKey()), dates: 'string', onChanged: () => undefined,
    target: { allowsPrivate: false, timeoutMs: 0, connectionsMax: 0, userAgent: '', lookup: async () => [] }
  })
}

if (import.meta.main) {
  writeFileSync(new URL('../../openapi.json', import.meta.url), await openapiText())
  process.stdout.write('Wrote openapi.json\n')
}

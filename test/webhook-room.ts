import { randomBytes } from 'node:crypto'
import type { WebhookRoom } from '../src/webhook.ts'

/** In the place of src/webhooks/ for tests of routes: seals in a way that shows, and sends nothing. */
export const standInRoom: WebhookRoom = {
  allowsPrivate: false,
  async newSecret(format, own) {
    const secret = own ?? (format === 'standard' ? `whsec_${randomBytes(32).toString('base64')}` : randomBytes(32).toString('base64url'))
    return `sealed:${secret}`
  },
  async reveal(secret) {
    return secret.replace(/^sealed:/, '')
  },
  async ping({ url }) {
    return { status: 200, text: `ping of ${url}`, error: null, durationMs: 1.4 }
  },
  async requestOf({ url }, { changeId, event }) {
    return changeId === 1 ? { url, headers: { 'webhook-id': 'x' }, body: JSON.stringify({ event }) } : null
  },
  changed: () => undefined
}

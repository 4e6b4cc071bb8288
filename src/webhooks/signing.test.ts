import { createHmac } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { generateSigningSecret, signWith } from './signing.ts'

const id = '3f0c1a52-0000-8000-8000-000000000000'
const body = '{"type":"customer.created","data":{"name":"Zoë \u{1F600}"}}'
const now = Math.floor(Date.now() / 1000)

function secretsOf(format: 'helpcrunch' | 'standard') {
  return { secret: generateSigningSecret(format), previousSecret: generateSigningSecret(format), previousUntil: now + 60 }
}

test('the library of the Standard Webhooks specification verifies what is signed, with either secret while both hold', () => {
  const secrets = secretsOf('standard')
  const headers = signWith('standard', secrets)({ id, body, now })
  expect(Object.keys(headers)).toEqual(['webhook-id', 'webhook-timestamp', 'webhook-signature'])
  expect(new Webhook(secrets.secret).verify(body, headers)).toEqual(JSON.parse(body))
  expect(new Webhook(secrets.previousSecret).verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => new Webhook(secrets.secret).verify(`${body} `, headers)).toThrow('No matching signature found')
})

test('a standard secret is no longer signed with when its time is over', () => {
  const secrets = { ...secretsOf('standard'), previousUntil: now }
  const headers = signWith('standard', secrets)({ id, body, now })
  expect(new Webhook(secrets.secret).verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => new Webhook(secrets.previousSecret).verify(body, headers)).toThrow('No matching signature found')
})

test('the one header of HelpCrunch is a hexadecimal HMAC-SHA1 of the body, by the old secret as long as there is one', () => {
  const secrets = secretsOf('helpcrunch')
  const signatureBy = (secret: string) => ({ 'X-HelpCrunch-Signature': createHmac('sha1', Buffer.from(secret, 'utf8')).update(Buffer.from(body, 'utf8')).digest('hex') })
  expect(signWith('helpcrunch', secrets)({ id, body, now })).toEqual(signatureBy(secrets.previousSecret))
  expect(signWith('helpcrunch', secrets)({ id, body, now: now + 60 })).toEqual(signatureBy(secrets.secret))
  expect(signWith('helpcrunch', { ...secrets, previousSecret: null, previousUntil: null })({ id, body, now })).toEqual(signatureBy(secrets.secret))
})

test('every secret is another, and shown in the form of its format', () => {
  expect([generateSigningSecret('standard'), generateSigningSecret('helpcrunch')])
    .toEqual([expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/), expect.stringMatching(/^[\w-]{43}$/)])
  expect(new Set(Array.from({ length: 100 }, () => generateSigningSecret('standard'))).size).toBe(100)
})

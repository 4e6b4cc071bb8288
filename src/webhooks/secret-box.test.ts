import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createSecretBox } from './secret-box.ts'
import { givenKey, keyFile, missingKey, parseSecretKey } from './secret-key.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

test('what is sealed is another text each time, shows nothing of the secret, and opens with the same key', () => {
  const box = createSecretBox(givenKey(Buffer.alloc(32, 1)))
  const [one, other] = [box.seal('whsec_ß'), box.seal('whsec_ß')]
  expect([one, other]).toEqual([expect.stringMatching(/^v1\.[0-9a-f]{8}\.[\w-]+$/), expect.stringMatching(/^v1\.[0-9a-f]{8}\.[\w-]+$/)])
  expect(one).not.toBe(other)
  expect([box.open(one), box.open(other)]).toEqual(['whsec_ß', 'whsec_ß'])
})

test('what was sealed with another key, or altered, is not opened, and it is said what to do', () => {
  const box = createSecretBox(givenKey(Buffer.alloc(32, 1)))
  const sealed = box.seal('secret')
  expect(() => createSecretBox(givenKey(Buffer.alloc(32, 2))).open(sealed))
    .toThrow(/^The secrets of webhooks were sealed with the key of fingerprint [0-9a-f]{8}, and CLIENTELE_SECRET_KEY has [0-9a-f]{8}\. Bring back that key, or give each webhook a new secret\.$/)
  const altered = sealed.slice(0, -2) + (sealed.endsWith('AA') ? 'BB' : 'AA')
  expect(() => box.open(altered)).toThrow('A secret of a webhook was altered in the database. Give that webhook a new one.')
  expect(() => box.open('v2.x.y')).toThrow('A secret of a webhook was sealed by a newer version of Clientele. Start that one.')
})

test('a key is 32 bytes of base64, of either alphabet', () => {
  const bytes = Buffer.alloc(32, 0xfb)
  expect([bytes.toString('base64'), bytes.toString('base64url')].map(parseSecretKey)).toEqual([bytes, bytes])
  expect(['', 'secret', Buffer.alloc(31).toString('base64'), Buffer.alloc(33).toString('base64'), `${'A'.repeat(42)}\n`].map(parseSecretKey))
    .toEqual([undefined, undefined, undefined, undefined, undefined])
})

test('without a place for a key it is said how to give one', () => {
  expect(() => createSecretBox(missingKey()).seal('secret')).toThrow('Webhooks need a key that their secrets are encrypted with. Set CLIENTELE_SECRET_KEY to the output of "openssl rand -base64 32", the same for every server on this database.')
})

test('a file for a key is made at first need, for its owner alone, and every process finds the same', () => {
  const folder = temporaryFolder()
  const path = join(folder, 'clientele.db.key')
  expect(() => keyFile(path).find()).toThrow(`The secrets of webhooks are encrypted with the key in ${path}, which is not there. Bring it back, or set CLIENTELE_SECRET_KEY.`)
  expect(readdirSync(folder)).toEqual([])
  const sealed = createSecretBox(keyFile(path)).seal('secret')
  expect(createSecretBox(keyFile(path)).open(sealed)).toBe('secret')
  expect(keyFile(path).findOrMake()).toEqual(keyFile(path).find())
  expect(readdirSync(folder)).toEqual(['clientele.db.key'])
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('a file for a key that others may read, or that holds none, is refused', () => {
  const path = join(temporaryFolder(), 'clientele.db.key')
  writeFileSync(path, 'no key', { mode: 0o600 })
  expect(() => keyFile(path).findOrMake()).toThrow(`${path} should hold a key: 32 bytes in base64. Bring it back from a backup.`)
  chmodSync(path, 0o640)
  expect(() => keyFile(path).findOrMake()).toThrow(`${path} holds a secret key that others than its owner may use. Run: chmod 600 ${path}`)
})

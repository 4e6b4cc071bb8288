import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { OperatorError } from '../errors.ts'
import type { SealedSecret } from '../webhook.ts'
import type { SecretKey } from './secret-key.ts'

/** Secrets as they are kept: encrypted, so that a copy of the database alone signs nothing. */
export interface SecretBox {
  seal(secret: string): SealedSecret
  /** Fails with an OperatorError when it was sealed with another key. */
  open(sealed: SealedSecret): string
}

const cipher = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
const version = 'v1'

export function createSecretBox(key: SecretKey): SecretBox {
  return {
    seal(secret) {
      const bytes = key.findOrMake()
      const nonce = randomBytes(nonceBytes)
      const sealing = createCipheriv(cipher, bytes, nonce)
      const sealed = Buffer.concat([nonce, sealing.update(secret, 'utf8'), sealing.final(), sealing.getAuthTag()])
      return `${version}.${fingerprint(bytes)}.${sealed.toString('base64url')}`
    },
    open(sealed) {
      const [itsVersion, itsFingerprint = '', text = ''] = sealed.split('.')
      if (itsVersion !== version) throw new OperatorError('A secret of a webhook was sealed by a newer version of Clientele. Start that one.')
      const bytes = key.find()
      if (fingerprint(bytes) !== itsFingerprint) {
        throw new OperatorError(`The secrets of webhooks were sealed with the key of fingerprint ${itsFingerprint}, and ${key.name} has ${fingerprint(bytes)}. Bring back that key, or give each webhook a new secret.`)
      }
      return unseal(bytes, Buffer.from(text, 'base64url'))
    }
  }
}

function unseal(key: Buffer, sealed: Buffer): string {
  try {
    const opening = createDecipheriv(cipher, key, sealed.subarray(0, nonceBytes)).setAuthTag(sealed.subarray(-tagBytes))
    return Buffer.concat([opening.update(sealed.subarray(nonceBytes, -tagBytes)), opening.final()]).toString('utf8')
  } catch (error) {
    throw new OperatorError('A secret of a webhook was altered in the database. Give that webhook a new one.', { cause: error })
  }
}

/** Tells keys apart, and nothing of them. */
function fingerprint(key: Buffer): string {
  return hash('sha256', Buffer.concat([Buffer.from('clientele secret key\n'), key])).slice(0, 8)
}

import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { OperatorError } from '../errors.ts'

/** What secrets are sealed with: 32 bytes. Fails with an OperatorError that says what to do where there is none. */
export interface SecretKey {
  /** Where it is, for messages. */
  readonly name: string
  find(): Buffer
  /** The same, but made first where it is ours to make. */
  findOrMake(): Buffer
}

const keyBytes = 32

/** The key in a text of base64; undefined when it is none. */
export function parseSecretKey(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === keyBytes ? bytes : undefined
}

/** The key that CLIENTELE_SECRET_KEY gives. */
export function givenKey(key: Buffer): SecretKey {
  return { name: 'CLIENTELE_SECRET_KEY', find: () => key, findOrMake: () => key }
}

/** Where nobody gave one, and there is no place for one: several servers must have the same. */
export function missingKey(): SecretKey {
  const fail = (): never => {
    throw new OperatorError('Webhooks need a key that their secrets are encrypted with. Set CLIENTELE_SECRET_KEY to the output of "openssl rand -base64 32", the same for every server on this database.')
  }
  return { name: 'CLIENTELE_SECRET_KEY', find: fail, findOrMake: fail }
}

/** A file that only its owner may read, made when the first secret is sealed. */
export function keyFile(path: string): SecretKey {
  let known: Buffer | undefined
  const find = (): Buffer => {
    known ??= readKey(path)
    if (known !== undefined) return known
    throw new OperatorError(`The secrets of webhooks are encrypted with the key in ${path}, which is not there. Bring it back, or set CLIENTELE_SECRET_KEY.`)
  }
  return {
    name: path,
    find,
    findOrMake() {
      known ??= readKey(path)
      if (known === undefined) makeKey(path)
      return find()
    }
  }
}

function readKey(path: string): Buffer | undefined {
  const file = openExisting(path)
  if (file === undefined) return undefined
  try {
    if (process.platform !== 'win32' && (fstatSync(file).mode & 0o077) !== 0) {
      throw new OperatorError(`${path} holds a secret key that others than its owner may use. Run: chmod 600 ${path}`)
    }
    const key = parseSecretKey(readFileSync(file, 'utf8').trim())
    if (key === undefined) throw new OperatorError(`${path} should hold a key: 32 bytes in base64. Bring it back from a backup.`)
    return key
  } finally {
    closeSync(file)
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw new OperatorError(`${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Written beside it and then linked, so that of two processes that make one both find the same, and whole. */
function makeKey(path: string): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = openSync(draft, 'wx', 0o600)
    try {
      writeSync(file, `${randomBytes(keyBytes).toString('base64')}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(draft, path)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw new OperatorError(`${path} cannot be written: ${messageOf(error)}`, { cause: error })
  } finally {
    rmSync(draft, { force: true })
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

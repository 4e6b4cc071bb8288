import type { LookupFunction, Socket } from 'node:net'
import { connect, isIP } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import type { buildConnector } from 'undici'
import { isPublicAddress } from '../webhook-target.ts'
import type { HostLookup } from './host-lookup.ts'

interface ConnectionSettings {
  readonly allowsPrivate: boolean
  /** Of names; a literal address is not looked up. */
  readonly lookup: HostLookup
  readonly timeoutMs: number
  /** Asked when a connection is open: a process that was stopped meanwhile may have no right to write on it any more. */
  readonly mayWrite: () => boolean
  /** What certificates are checked against, besides what Node does by itself. */
  readonly tls?: Pick<ConnectionOptions, 'ca'>
}

/** The target is not of the public internet. What it is instead is for nobody who can name targets. */
export class PrivateAddress extends Error {
  constructor() {
    super('The URL leads to a private or reserved address, which webhooks may not be sent to.')
    this.name = 'PrivateAddress'
  }
}

/**
 * Opens connections for undici that lead to the public internet. A name is looked up once, by the connection itself, and where
 * that came to is looked at again before a byte is sent, so a name that resolves to something else the next time gains nothing.
 */
export function guardedConnector(settings: ConnectionSettings): buildConnector.connector {
  return ({ hostname, protocol, port }, callback) => {
    const isSecure = protocol === 'https:'
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const plain = connect({
      host, port: port === '' ? (isSecure ? 443 : 80) : Number(port),
      noDelay: true, keepAlive: true, lookup: lookupFor(settings)
    })
    let open: Socket | TLSSocket = plain
    const timer = setTimeout(() => { open.destroy(new Error(`No connection within ${settings.timeoutMs / 1000} s`)) }, settings.timeoutMs)
    timer.unref()

    const settle = (error: Error | null): void => {
      clearTimeout(timer)
      open.off('error', settle)
      plain.off('error', settle)
      if (error === null && settings.mayWrite()) {
        callback(null, open)
        return
      }
      open.destroy()
      callback(error ?? new Error('The webhook is no longer claimed'), null)
    }
    plain.once('error', settle)
    plain.once('connect', () => {
      if (!settings.allowsPrivate && !isPublicAddress(plain.remoteAddress ?? '')) {
        plain.destroy(new PrivateAddress())
        return
      }
      if (!isSecure) {
        settle(null)
        return
      }
      // An address is no name that a server could have several of.
      const servername = isIP(host) === 0 ? { servername: host } : {}
      const secure = connectTls({ ...settings.tls, socket: plain, host, ...servername, ALPNProtocols: ['http/1.1'] })
      plain.off('error', settle)
      open = secure
      secure.once('error', settle)
      secure.once('secureConnect', () => { settle(null) })
    })
  }
}

/** For `connect`: what is found of a host, but for addresses that are not public where those are refused. */
function lookupFor({ lookup, allowsPrivate }: Pick<ConnectionSettings, 'lookup' | 'allowsPrivate'>): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname).then((addresses) => {
      const open = allowsPrivate ? [...addresses] : addresses.filter(({ address }) => isPublicAddress(address))
      const [first] = open
      if (first === undefined) callback(new PrivateAddress(), [])
      else if (options.all === true) callback(null, open)
      else callback(null, first.address, first.family)
    }, (error: unknown) => { callback(error instanceof Error ? error : new Error('The host could not be looked up', { cause: error }), []) })
  }
}

import { errors, Pool } from 'undici'
import { limits } from '../limits.ts'
import type { SendOutcome } from '../webhook.ts'
import { targetFault } from '../webhook-target.ts'
import { guardedConnector, PrivateAddress } from './guarded-connection.ts'

export interface TargetSettings {
  readonly allowsPrivate: boolean
  /** For a whole exchange. */
  readonly timeoutMs: number
  readonly connectionsMax: number
  readonly userAgent: string
  /** PEM, besides the certificates that Node knows. */
  readonly ca?: string
}

/** Where a webhook leads, with the connections to it. */
export class Target {
  readonly url: string
  readonly #path: string
  readonly #fault: string | undefined
  readonly #pool: Pool
  readonly #settings: TargetSettings

  /** `mayWrite` is asked before a new connection is used. */
  constructor(url: string, settings: TargetSettings, mayWrite: () => boolean = () => true) {
    this.url = url
    // It may have been allowed by a server with other settings.
    this.#fault = targetFault(url, settings)
    const { origin, pathname, search } = new URL(url)
    this.#path = pathname + search
    this.#settings = settings
    const { allowsPrivate, timeoutMs, ca } = settings
    this.#pool = new Pool(origin, {
      connections: settings.connectionsMax,
      connect: guardedConnector({ allowsPrivate, timeoutMs, mayWrite, ...(ca === undefined ? {} : { tls: { ca } }) }),
      headersTimeout: 0, bodyTimeout: 0,
      maxHeaderSize: limits.headerBytesMax
    })
  }

  /** Undefined when `signal` stopped it: then it says nothing about the target. */
  async send(request: { readonly headers: Readonly<Record<string, string>>; readonly body: string }, signal: AbortSignal): Promise<SendOutcome | undefined> {
    const started = performance.now()
    const outcome = (given: Pick<SendOutcome, 'status' | 'text' | 'error'>): SendOutcome => ({ ...given, durationMs: Math.round(performance.now() - started) })
    if (this.#fault !== undefined) return outcome({ status: null, text: null, error: this.#fault })
    const exchange = new AbortController()
    const stop = (): void => { exchange.abort() }
    const timer = setTimeout(stop, this.#settings.timeoutMs)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      const { statusCode, body } = await this.#pool.request({
        method: 'POST', path: this.#path, body: request.body, signal: exchange.signal,
        headers: { ...requestHeaders(this.#settings.userAgent), ...request.headers }
      })
      return outcome({ status: statusCode, text: await readStart(body), error: null })
    } catch (error) {
      if (signal.aborted) return undefined
      const isLate = exchange.signal.aborted
      return outcome({ status: null, text: null, error: isLate ? `No complete answer came within ${this.#settings.timeoutMs / 1000} s.` : reason(error) })
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }

  /** What is under way may end. */
  retire(): void {
    this.#pool.close().catch(ignore)
  }

  destroy(): void {
    this.#pool.destroy().catch(ignore)
  }
}

/** A connection that fails as it is closed is closed. */
const ignore = (): void => {}

/** Of every request; a signature comes besides. */
export function requestHeaders(userAgent: string): Record<string, string> {
  return { 'Content-Type': 'application/json', 'User-Agent': userAgent, 'Accept-Encoding': 'identity' }
}

/** What is beyond the first bytes is not waited for. */
async function readStart(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  // Leaving the loop ends the connection.
  for await (const part of body) {
    parts.push(part)
    bytes += part.length
    if (bytes > limits.webhookAnswerBytesMax) break
  }
  const start = Buffer.concat(parts).subarray(0, limits.webhookAnswerBytesMax)
  // PostgreSQL keeps no U+0000. A character that was cut is left out.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(start, { stream: bytes > limits.webhookAnswerBytesMax }).replaceAll('\u0000', '\ufffd')
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection was closed before an answer came.',
  EPIPE: 'The connection was closed before an answer came.',
  UND_ERR_SOCKET: 'The connection was closed before an answer came.',
  ENOTFOUND: 'The name of the host could not be resolved.',
  EAI_AGAIN: 'The name of the host could not be resolved just now.',
  EHOSTUNREACH: 'The host could not be reached.',
  ENETUNREACH: 'The host could not be reached.',
  ETIMEDOUT: 'The host could not be reached in time.',
  UND_ERR_HEADERS_OVERFLOW: 'The headers of the answer are too long.',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'The answer is not HTTP.',
  EPROTO: 'The host does not speak TLS there.'
}

/** For the owner of the webhook, who is told nothing that a stranger may not know of this network. */
function reason(error: unknown): string {
  if (error instanceof PrivateAddress) return error.message
  // Of several addresses each has its reason; most often they are the same.
  const [first = error] = error instanceof AggregateError ? error.errors as unknown[] : []
  if (first instanceof errors.HTTPParserError) return 'The answer is not HTTP.'
  const code = first instanceof Error && 'code' in first ? String(first.code) : undefined
  if (code === undefined) return 'The request failed.'
  return reasons[code] ?? (/CERT|SELF_SIGNED|VERIFY|TLS|SSL/.test(code) ? `The certificate or TLS of the host was refused: ${code}.` : `The request failed: ${code}.`)
}

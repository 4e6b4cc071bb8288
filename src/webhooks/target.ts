import type { Dispatcher } from 'undici'
import { errors, Pool } from 'undici'
import { limits } from '../limits.ts'
import type { SendOutcome } from '../webhook.ts'
import { targetFault } from '../webhook-target.ts'
import { guardedConnector, PrivateAddress } from './guarded-connection.ts'
import type { HostLookup } from './host-lookup.ts'

export interface TargetSettings {
  readonly allowsPrivate: boolean
  /** For a whole exchange. */
  readonly timeoutMs: number
  readonly connectionsMax: number
  readonly userAgent: string
  readonly lookup: HostLookup
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
    const { allowsPrivate, timeoutMs, lookup, ca } = settings
    this.#pool = new Pool(origin, {
      connections: settings.connectionsMax,
      connect: guardedConnector({ allowsPrivate, lookup, timeoutMs, mayWrite, ...(ca === undefined ? {} : { tls: { ca } }) }),
      headersTimeout: 0, bodyTimeout: 0,
      maxHeaderSize: limits.headerBytesMax
    })
  }

  /** Undefined when `signal` stopped it: then it says nothing about the target. */
  async send(request: { readonly headers: Readonly<Record<string, string>>; readonly body: string }, signal: AbortSignal): Promise<SendOutcome | undefined> {
    const started = performance.now()
    const outcome = (given: Pick<SendOutcome, 'status' | 'text' | 'error'>): SendOutcome => ({ ...given, durationMs: Math.round(performance.now() - started) })
    if (this.#fault !== undefined) return outcome({ status: null, text: null, error: this.#fault })
    if (signal.aborted) return undefined
    const { userAgent, timeoutMs } = this.#settings
    const exchange = new Exchange()
    const stop = (): void => { exchange.end(new Stopped()) }
    const timer = setTimeout(() => { exchange.end(new TooLate()) }, timeoutMs)
    signal.addEventListener('abort', stop)
    try {
      this.#pool.dispatch({ method: 'POST', path: this.#path, body: request.body, headers: { ...requestHeaders(userAgent), ...request.headers } }, exchange)
      const { status, start } = await exchange.answer
      return outcome({ status, text: textOf(start), error: null })
    } catch (error) {
      if (error instanceof Stopped) return undefined
      return outcome({ status: null, text: null, error: error instanceof TooLate ? `No complete answer came within ${timeoutMs / 1000} s.` : reason(error) })
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

class TooLate extends Error {}
class Stopped extends Error {}
/** All that is kept of an answer is there. */
class Enough extends Error {}

interface Answer {
  readonly status: number
  /** Its first bytes, and one more at least where there are more than are kept. */
  readonly start: Buffer
}

/** One request, for undici's `dispatch`, which takes half the time of its `request` with a stream for the answer. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #answer = Promise.withResolvers<Answer>()
  readonly #parts: Buffer[] = []
  #bytes = 0
  #status = 0
  #controller: Dispatcher.DispatchController | undefined
  #ending: Error | undefined

  /** What is beyond the bytes that are kept is not waited for. */
  get answer(): Promise<Answer> {
    return this.#answer.promise
  }

  end(why: Error): void {
    this.#ending = why
    this.#answer.reject(why)
    this.#controller?.abort(why)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // It may have waited for a connection for too long.
    if (this.#ending !== undefined) controller.abort(this.#ending)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(controller: Dispatcher.DispatchController, part: Buffer): void {
    this.#parts.push(part)
    this.#bytes += part.length
    if (this.#bytes <= limits.webhookAnswerBytesMax) return
    this.#settle()
    // This ends the connection.
    controller.abort(new Enough())
  }

  onResponseEnd(): void {
    this.#settle()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#answer.reject(error)
  }

  #settle(): void {
    this.#answer.resolve({ status: this.#status, start: Buffer.concat(this.#parts) })
  }
}

/** PostgreSQL keeps no U+0000. A character that was cut is left out. */
function textOf(start: Buffer): string {
  const { webhookAnswerBytesMax: bytesMax } = limits
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(start.subarray(0, bytesMax), { stream: start.length > bytesMax }).replaceAll('\u0000', '\ufffd')
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

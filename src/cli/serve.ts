import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { generateSecret, hashSecret } from '../api-key.ts'
import { systemClock } from '../clock.ts'
import { OperatorError } from '../errors.ts'
import { Metrics } from '../http/metrics.ts'
import { createServer } from '../http/server.ts'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'
import type { DelivererSettings } from '../webhooks/deliverer.ts'
import { defaultDelivererSettings } from '../webhooks/deliverer.ts'
import type { ServeConfig } from './config.ts'
import { distributeOver } from './distribute.ts'
import { withoutPassword } from './config.ts'
import { nameDatabase, openStore } from './open-store.ts'
import { createWebhooks } from './start-webhooks.ts'
import { version } from './version.ts'

const bytesAMebibyte = 1024 * 1024
const secondsADay = 86_400
const secondsAnHour = 3_600
const logFlushMs = 200
const logBufferBytes = 16_000

interface ServeBehavior {
  readonly json?: true
  /** Tests cannot wait for days. */
  readonly deliveries?: DelivererSettings
  /** Nor for long. */
  readonly shutdownSeconds?: number
}

/** Starts the service and resolves when it listens. It ends by SIGTERM or SIGINT. */
export async function serve(config: ServeConfig, options: ServeBehavior): Promise<void> {
  // Written in the background and several lines at a time: a write for each would cost as much as the request.
  const destination = pino.destination({ fd: 2, sync: false, minLength: logBufferBytes, periodicFlush: logFlushMs })
  const log = pino({ base: null, timestamp: isoTime() }, destination)
  const metrics = new Metrics()
  if (config.distribute) await distributeOver(config.database)
  const store = await openStore(config.database, {
    onCommit: metrics.onCommit,
    onIndexLost: ({ cause, retryAfterSeconds }) => { log.error({ err: cause, retryAfterSeconds }, 'lost the index of searches') },
    indexBytesMax: config.searchMemoryMebibytes * bytesAMebibyte,
    preparesIndex: true,
    poolSize: config.poolSize
  })
  metrics.watch(store)

  const webhooks = createWebhooks({ store, config, settings: options.deliveries ?? defaultDelivererSettings, log, metrics, version })
  const server = await createServer({ store, settings: config.http, log, metrics, version, webhooks: webhooks.room })
  let key: string | undefined
  try {
    await server.listen({ host: config.host, port: config.port })
    // Only now, so that a start that cannot listen leaves the key to the next one to show.
    key = await createFirstKey(store)
  } catch (error) {
    await server.close()
    await store.close()
    metrics.close()
    throw listenError(await nameDatabase(error, config.database), config)
  }
  const { address, family, port } = server.server.address() as AddressInfo
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`

  webhooks.start()
  const stopPurging = startPurging(store, { changeDays: config.changeDays, trashDays: config.trashDays, log })
  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping')
    // A process that cannot finish is ended, so that whoever waits for it is not kept waiting.
    setTimeout(() => {
      log.error('could not finish in time')
      destination.flushSync()
      process.exit(1)
    }, (options.shutdownSeconds ?? limits.shutdownSeconds) * 1000).unref()
    close().then(
      () => { log.info('stopped'); exit(0) },
      (error: unknown) => { log.error({ err: error }, 'stopping failed'); exit(1) }
    )
  }
  const exit = (code: number): void => {
    // What is being written is not in the buffer any more, so flushing that would neither keep the order nor all of it.
    destination.once('close', () => process.exit(code))
    destination.end()
  }
  const close = async (): Promise<void> => {
    stopPurging()
    await Promise.all([server.close(), webhooks.close()])
    await store.close()
    metrics.close()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  // Whoever reads this may stop the process at once.
  log.info({ url, version }, 'listening')
  announce({ url, key, database: config.database, json: options.json })
}

async function createFirstKey(store: Store): Promise<string | undefined> {
  // Looking before writing lets a server start on a database that cannot be written just now.
  if ((await store.organizations()).length > 0) return undefined
  const secret = generateSecret()
  const key = await store.createDefault({ name: 'first', secretHash: hashSecret(secret) })
  return key === undefined ? undefined : secret
}

function announce({ url, key, database, json }: { url: string; key: string | undefined; database: string; json: true | undefined }): void {
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ url, database: withoutPassword(database), ...(key === undefined ? {} : { key }) })}\n`)
    return
  }
  const lines = key === undefined
    ? [`Clientele listens on ${url}`, `Reference: ${url}/docs`]
    : [
        `Clientele listens on ${url}`,
        `Reference: ${url}/docs`,
        '',
        'The first API key, shown this once:',
        '',
        `  ${key}`,
        '',
        'Try it:',
        '',
        `  curl -H 'Authorization: Bearer ${key}' ${url}/v1/customers`
      ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function startPurging(store: Store, { changeDays, trashDays, log }: Pick<ServeConfig, 'changeDays' | 'trashDays'> & { log: pino.Logger }): () => void {
  let isStopped = false
  const purge = (): void => {
    store.purgeOutcomes(systemClock() - limits.idempotencyKeyHours * secondsAnHour).catch((error: unknown) => {
      if (!isStopped) log.error({ err: error }, 'purging old idempotency keys failed')
    })
    const now = systemClock()
    store.emptyTrash(now - trashDays * secondsADay).then(() => (isStopped ? 0 : store.purgeChanges(now - changeDays * secondsADay))).then(
      (changes) => { if (changes > 0) log.info({ changes }, 'purged old changes') },
      (error: unknown) => { if (!isStopped) log.error({ err: error }, 'purging old changes failed') }
    )
    store.purgeDeliveries(now - limits.deliveryDays * secondsADay).catch((error: unknown) => {
      if (!isStopped) log.error({ err: error }, 'purging old deliveries failed')
    })
  }
  purge()
  const purging = setInterval(purge, limits.purgeIntervalSeconds * 1000).unref()
  return () => {
    // What this cuts short the next start does, and nobody has to look into it.
    isStopped = true
    clearInterval(purging)
  }
}

function listenError(error: unknown, { host, port }: ServeConfig): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return new OperatorError(`Port ${port} of ${host} is taken. Name another with --port, or 0 for any that is free.`, { cause: error })
  if (code === 'EACCES') return new OperatorError(`Port ${port} of ${host} may not be used. Ports from 1024 up are free to all.`, { cause: error })
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return new OperatorError(`${host} is no address of this machine. Name another with --host.`, { cause: error })
  return error
}

/** pino's isoTime, but made once a millisecond: a busy server logs many lines in one. */
function isoTime(): () => string {
  let seenMs = 0
  let line = ''
  return () => {
    const nowMs = Date.now()
    if (nowMs !== seenMs) {
      seenMs = nowMs
      line = `,"time":"${new Date(nowMs).toISOString()}"`
    }
    return line
  }
}

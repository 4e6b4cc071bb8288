import { BlockList, isIP } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { ApiError, OperatorError } from '../errors.ts'
import type { CommitListener, Store } from '../store.ts'
import type { HttpSettings } from './settings.ts'

const requestSecondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const commitSecondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
const commitCommandsBuckets = [1, 2, 4, 8, 16, 32, 64, 128]

const attemptSecondsBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]

const eventLoopSampleMs = 10

/** What Prometheus is told. Each server has its own, so that several fit in one process. */
export class Metrics {
  readonly registry = new Registry()
  readonly streamListeners = this.#gauge('clientele_stream_listeners', 'Readers of changes as they are made.')
  readonly #requests = new Histogram({
    name: 'clientele_http_request_duration_seconds',
    help: 'Requests by route and status, from the first byte read to the last byte written.',
    labelNames: ['method', 'route', 'status'],
    buckets: requestSecondsBuckets,
    registers: [this.registry]
  })
  readonly #requestsByLabels = new Map<string, ReturnType<Histogram['labels']>>()
  readonly #commitCommands = new Histogram({
    name: 'clientele_commit_commands', help: 'Commands that shared a commit.', buckets: commitCommandsBuckets, registers: [this.registry]
  })
  readonly #commitSeconds = new Histogram({
    name: 'clientele_commit_duration_seconds', help: 'Time from the begin of a transaction until it was on disk.',
    buckets: commitSecondsBuckets, registers: [this.registry]
  })
  readonly #deliveries = new Histogram({
    name: 'clientele_webhook_attempt_duration_seconds',
    help: 'Attempts to deliver to webhooks, by what became of the delivery.',
    labelNames: ['status'],
    buckets: attemptSecondsBuckets,
    registers: [this.registry]
  })
  readonly #eventLoopDelay = monitorEventLoopDelay({ resolution: eventLoopSampleMs })

  constructor() {
    collectDefaultMetrics({ register: this.registry })
    this.#eventLoopDelay.enable()
    const eventLoopDelay = this.#eventLoopDelay
    new Gauge({
      name: 'clientele_event_loop_delay_p999_seconds',
      help: '99.9 % of the pauses of the event loop since the last scrape were shorter.',
      registers: [this.registry],
      collect() {
        // What is measured is the time from sample to sample, pause or not.
        this.set(Math.max(0, eventLoopDelay.percentile(99.9) / 1e9 - eventLoopSampleMs / 1000))
        eventLoopDelay.reset()
      }
    })
  }

  readonly onCommit: CommitListener = ({ commands, seconds }) => {
    this.#commitCommands.observe(commands)
    this.#commitSeconds.observe(seconds)
  }

  observeRequest({ method, route, status, seconds }: { method: string; route: string; status: number; seconds: number }): void {
    // Looking labels up costs more than the rest of an observation, and there are few combinations.
    const key = `${method} ${route} ${status}`
    const kept = this.#requestsByLabels.get(key)
    const labeled = kept ?? this.#requests.labels({ method, route, status })
    if (kept === undefined) this.#requestsByLabels.set(key, labeled)
    labeled.observe(seconds)
  }

  observeDelivery({ status, seconds }: { status: string; seconds: number }): void {
    this.#deliveries.labels({ status }).observe(seconds)
  }

  /** Asks at each scrape how far the deliveries of this process have come. */
  watchWebhooks(deliverer: { status(): { readonly webhooks: number; readonly lagSeconds: number; readonly heldCustomers: number } }): void {
    this.#webhooks = () => deliverer.status()
  }

  /** Reads the store's figures at each scrape. */
  watch(store: Store): void {
    const customers = this.#gauge('clientele_customers', 'Customers of all organizations.')
    const databaseBytes = this.#gauge('clientele_database_bytes', 'Size of the database with its write-ahead log.')
    const writesWaiting = this.#gauge('clientele_writes_waiting', 'Writes that wait for a commit or are in one.')
    const readsWaiting = this.#gauge('clientele_reads_waiting', 'Searches that wait for a thread or are in one.')
    const searchIndexBytes = this.#gauge('clientele_search_index_bytes', 'Memory taken by the index of searches.')
    const webhooks = this.#gauge('clientele_webhooks', 'Webhooks that this process delivers for.')
    const lag = this.#gauge('clientele_webhook_lag_seconds', 'Age of the oldest change that is still to be told to a webhook, customers held apart.')
    const held = this.#gauge('clientele_webhook_held_customers', 'Customers of those webhooks that wait for a retry.')
    this.#scrapeStore = async () => {
      const deliveries = this.#webhooks()
      webhooks.set(deliveries.webhooks)
      lag.set(deliveries.lagSeconds)
      held.set(deliveries.heldCustomers)
      const status = await store.status()
      customers.set(status.customers)
      databaseBytes.set(status.databaseBytes)
      writesWaiting.set(status.writesWaiting)
      readsWaiting.set(status.readsWaiting)
      searchIndexBytes.set(status.searchIndexBytes)
    }
  }

  async text(): Promise<string> {
    await this.#scrapeStore()
    return await this.registry.metrics()
  }

  close(): void {
    this.#eventLoopDelay.disable()
  }

  #scrapeStore: () => Promise<void> = () => Promise.resolve()
  #webhooks: () => { webhooks: number; lagSeconds: number; heldCustomers: number } = () => ({ webhooks: 0, lagSeconds: 0, heldCustomers: 0 })

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.registry] })
  }
}

export function metricsRoute(server: FastifyInstance, { metrics, settings }: { metrics: Metrics; settings: HttpSettings }): void {
  const isAllowed = settings.metricsHost === undefined ? isOnThisMachine : isInNetworks(parseNetworks(settings.metricsHost))
  server.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    // Whoever may not read them is told no more than of a page that does not exist.
    if (!isAllowed(request, settings)) throw new ApiError('not_found', 'Not found')
    return reply.type(metrics.registry.contentType).send(await metrics.text())
  })
}

/** A proxy on this machine speaks for callers elsewhere, unless it is trusted to say for whom. */
function isOnThisMachine(request: FastifyRequest, { trustProxy }: HttpSettings): boolean {
  const isForwarded = request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined
  return (trustProxy || !isForwarded) && loopback.check(...address(request.ip))
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isInNetworks(networks: BlockList) {
  return (request: FastifyRequest): boolean => networks.check(...address(request.ip))
}

function address(ip: string): [string, 'ipv4' | 'ipv6'] {
  const bare = ip.replace(/^::ffff:(?=\d+\.)/, '')
  return [bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4']
}

/** Addresses and networks, comma-separated: `10.0.0.5,10.1.0.0/16,::1`. */
export function parseNetworks(text: string): BlockList {
  const networks = new BlockList()
  for (const part of text.split(',').map((item) => item.trim())) {
    const [ip = '', bits] = part.split('/')
    const version = isIP(ip)
    const bitsMax = version === 6 ? 128 : 32
    const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax)
    if (version === 0 || !isPrefix) throw new OperatorError(`"${part}" is not an address or a network such as 10.0.0.5 or 10.1.0.0/16`)
    networks.addSubnet(ip, bits === undefined ? bitsMax : Number(bits), version === 6 ? 'ipv6' : 'ipv4')
  }
  return networks
}

import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { ChangeKind } from '../change-record.ts'
import type { FeedItem, FeedPage, FeedPosition } from '../change-store.ts'
import { ApiError, unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'

/** Changes read at once. */
const pageMax = 100
const rereadMs = 1_000
/** Sent in one turn of the event loop, whose end it takes to write it to connections: far less than what may wait for a reader that reads. */
const burstCharactersMax = 131_072

/** A change as one event of a stream. */
interface Frame {
  readonly id: number
  readonly kind: ChangeKind
  readonly position: FeedPosition
  readonly text: string
}

export interface ListenerOptions {
  readonly organizationId: number
  readonly response: ServerResponse
  readonly kinds: ReadonlySet<ChangeKind> | null
  /** Where to go on; undefined: with what comes from now on. */
  readonly after: FeedPosition | undefined
  /** A position as the reader is given it. */
  readonly seal: (position: FeedPosition) => string
  /** A change as JSON. */
  readonly render: (item: FeedItem) => string
  /** Whether the reader may still listen. */
  readonly mayListen: () => Promise<boolean>
}

/**
 * Those who follow the changes as they are made. Who is at the end of an organization's feed shares one reading with all others
 * there; who is behind reads alone until it is. Nothing is kept for who reads slower than changes are made: it is disconnected,
 * and goes on where it was when it comes again.
 */
export class ChangeStreams {
  readonly #store: Store
  readonly #onCount: (listeners: number) => void
  readonly #tails = new Map<number, Tail>()
  readonly #listeners = new Set<Listener>()
  #stopWatching: (() => void) | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(store: Store, { onCount }: { onCount: (listeners: number) => void }) {
    this.#store = store
    this.#onCount = onCount
  }

  /** Throws when there is no room for one more. */
  requireRoom(): void {
    if (this.#isClosed) throw unavailable('The server is stopping.')
    if (this.#listeners.size >= limits.streamListenersMax) throw unavailable(`${limits.streamListenersMax} others are listening already. Try again later, or read GET /v1/changes.`)
  }

  /** The head of the answer has been sent. Goes on until the reader goes, or has to. */
  async listen(options: ListenerOptions): Promise<void> {
    const listener = new Listener(options)
    this.#add(listener)
    try {
      const tail = this.#tail(options)
      let after = options.after
      if (after === undefined) await tail.join(listener)
      else {
        while (!listener.isGone && !tail.has(listener)) after = await this.#comeCloser(listener, tail, after)
      }
      await listener.gone
    } catch (error) {
      // The head of the answer is out already, so there is no other way to tell: the reader asks again, and is answered then.
      if (!(error instanceof ApiError)) throw error
    } finally {
      listener.disconnect()
      this.#remove(listener)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const listener of this.#listeners) listener.end()
  }

  /** Sends what is behind a place, and joins the others once that was all. */
  async #comeCloser(listener: Listener, tail: Tail, after: FeedPosition): Promise<FeedPosition> {
    const far = await this.#read(listener, after)
    await listener.sendAll(far.items)
    if (far.hasMore || listener.isGone) return far.next
    // From here on what the others are sent is set aside, and what they were sent until here is read once more.
    const aside = await tail.setAside(listener)
    const near = await this.#read(listener, far.next)
    if (near.hasMore) {
      aside.cancel()
      return far.next
    }
    await listener.sendAll(near.items)
    aside.join(near)
    return near.next
  }

  async #read({ options: { organizationId, kinds } }: Listener, after: FeedPosition): Promise<FeedPage> {
    return await this.#store.readFeed(organizationId, { after, limit: pageMax, kinds, wantsCustomers: false })
  }

  #tail({ organizationId, seal, render }: ListenerOptions): Tail {
    const there = this.#tails.get(organizationId)
    if (there !== undefined) return there
    const frameOf = (item: FeedItem): Frame => toFrame(item, { seal, render })
    const made = new Tail(this.#store, organizationId, frameOf)
    this.#tails.set(organizationId, made)
    return made
  }

  #add(listener: Listener): void {
    this.#listeners.add(listener)
    this.#onCount(this.#listeners.size)
    this.#stopWatching ??= this.#store.watchFeed((organizationIds) => {
      for (const id of organizationIds) this.#tails.get(id)?.readOn()
    })
    this.#heartbeat ??= setInterval(() => { this.#beat() }, limits.streamHeartbeatSeconds * 1000)
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener)
    this.#onCount(this.#listeners.size)
    const { organizationId } = listener.options
    const tail = this.#tails.get(organizationId)
    tail?.leave(listener)
    if (![...this.#listeners].some(({ options }) => options.organizationId === organizationId)) {
      tail?.close()
      this.#tails.delete(organizationId)
    }
    if (this.#listeners.size > 0) return
    this.#stopWatching?.()
    this.#stopWatching = undefined
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }

  #beat(): void {
    for (const listener of this.#listeners) {
      listener.beat()
      // While keys cannot be read, nobody is taken to have lost theirs.
      listener.options.mayListen().then((may) => { if (!may) listener.end() }, () => undefined)
    }
  }
}

function toFrame(item: FeedItem, { seal, render }: Pick<ListenerOptions, 'seal' | 'render'>): Frame {
  const { position, change: { id, kind } } = item
  return { id, kind, position, text: `id: ${seal(position)}\nevent: ${kind}\ndata: ${render(item)}\n\n` }
}

/** One reader. */
class Listener {
  readonly options: ListenerOptions
  /** Resolves when the connection is closed, by whomever. */
  readonly gone: Promise<void>
  isGone = false
  #position: FeedPosition | undefined
  #positionSent: FeedPosition | undefined

  constructor(options: ListenerOptions) {
    this.options = options
    const { response } = options
    this.gone = new Promise((resolve) => {
      const leave = (): void => {
        this.isGone = true
        resolve()
      }
      response.once('close', leave)
      // What fails on a connection closes it.
      response.on('error', () => undefined)
      if (response.destroyed) leave()
    })
  }

  /** Where it stands, though nothing of what it wants may have led there. */
  moveTo(position: FeedPosition): void {
    this.#position = position
  }

  /** At the pace of the reader. */
  async sendAll(items: readonly FeedItem[]): Promise<void> {
    for (const item of items) {
      if (this.isGone) return
      const { text, position } = toFrame(item, this.options)
      this.#position = this.#positionSent = position
      if (!this.options.response.write(text)) await Promise.race([this.gone, once(this.options.response, 'drain')])
    }
  }

  /** At the pace of the changes; who cannot keep it is disconnected. */
  send({ kind, position, text }: Frame): void {
    if (this.isGone) return
    this.#position = position
    if (this.options.kinds?.has(kind) === false) return
    if (this.options.response.writableLength > limits.streamUnsentBytesMax) {
      this.disconnect()
      return
    }
    this.#positionSent = position
    this.options.response.write(text)
  }

  /** Shows that the connection lives, and where to go on, so that a reader of few kinds does not fall behind what is kept. */
  beat(): void {
    if (this.isGone || this.options.response.writableLength > 0) return
    if (this.#position === this.#positionSent) this.options.response.write(':\n\n')
    else this.tellPosition()
  }

  tellPosition(): void {
    if (this.isGone || this.#position === undefined) return
    this.#positionSent = this.#position
    this.options.response.write(`id: ${this.options.seal(this.#position)}\n\n`)
  }

  /** With what is on its way, unless that is stuck. */
  end(): void {
    if (this.options.response.writableLength > 0) this.disconnect()
    else this.options.response.end()
  }

  disconnect(): void {
    if (!this.options.response.writableFinished) this.options.response.destroy()
  }
}

/** Changes that were set aside for a listener until it has read what came before them. */
interface Aside {
  /** Joins those at the end, with what was set aside but for what it has read itself. */
  join(read: FeedPage): void
  cancel(): void
}

/** The end of one organization's feed, read once for all who listen there. */
class Tail {
  readonly #store: Store
  readonly #organizationId: number
  readonly #frameOf: (item: FeedItem) => Frame
  readonly #listeners = new Set<Listener>()
  readonly #aside = new Map<Listener, { readonly frames: Frame[]; bytes: number }>()
  /** What a listener has read by itself just before it joined, until all have been sent that. */
  readonly #readAlone = new Map<Listener, { readonly ids: ReadonlySet<number>; readonly round: number }>()
  #waiting: { readonly round: number; readonly go: () => void }[] = []
  readonly #begun: Promise<FeedPosition>
  #position: FeedPosition | undefined
  #round = 0
  #isReading = false
  #isStale = false
  #isClosed = false
  #retry: NodeJS.Timeout | undefined

  constructor(store: Store, organizationId: number, frameOf: (item: FeedItem) => Frame) {
    this.#store = store
    this.#organizationId = organizationId
    this.#frameOf = frameOf
    this.#begun = store.feedEnd(organizationId)
    this.#begun.then((position) => {
      this.#position = position
      this.readOn()
    }, () => undefined)
  }

  has(listener: Listener): boolean {
    return this.#listeners.has(listener)
  }

  async join(listener: Listener): Promise<void> {
    const begun = await this.#begun
    listener.moveTo(this.#position ?? begun)
    listener.tellPosition()
    if (!listener.isGone) this.#listeners.add(listener)
  }

  /** Once all listeners have been sent at least what this one has read by now, so that it gets nothing twice. */
  async setAside(listener: Listener): Promise<Aside> {
    await this.#begun
    return await new Promise((resolve) => {
      // A reading that has begun may not come as far.
      this.#waiting.push({ round: this.#round + 1, go: () => { resolve(this.#setAside(listener)) } })
      this.readOn()
    })
  }

  #setAside(listener: Listener): Aside {
    const frames: Frame[] = []
    this.#aside.set(listener, { frames, bytes: 0 })
    return {
      join: ({ items, next }) => {
        this.#aside.delete(listener)
        const ids = new Set(items.map(({ change }) => change.id))
        listener.moveTo(next)
        for (const frame of frames) if (!ids.has(frame.id)) listener.send(frame)
        this.#readAlone.set(listener, { ids, round: this.#round + 1 })
        if (!listener.isGone) this.#listeners.add(listener)
      },
      cancel: () => { this.#aside.delete(listener) }
    }
  }

  leave(listener: Listener): void {
    this.#listeners.delete(listener)
    this.#aside.delete(listener)
    this.#readAlone.delete(listener)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#letGo(Infinity)
  }

  /** Those who wait for a round, at once, before anything else is sent. */
  #letGo(round: number): void {
    const ready = this.#waiting.filter((waiting) => waiting.round <= round)
    this.#waiting = this.#waiting.filter((waiting) => waiting.round > round)
    for (const { go } of ready) go()
  }

  /** Sends what is new. What becomes known meanwhile is read behind it. */
  readOn(): void {
    this.#isStale = true
    if (!this.#isReading && this.#position !== undefined) void this.#readAll(this.#position)
  }

  async #readAll(from: FeedPosition): Promise<void> {
    this.#isReading = true
    try {
      for (let after = from; this.#isStale && !this.#isClosed;) {
        this.#isStale = false
        this.#round += 1
        for (let hasMore = true; hasMore && !this.#isClosed;) {
          const page = await this.#store.readFeed(this.#organizationId, { after, limit: pageMax, kinds: null, wantsCustomers: false })
          await this.#sendAll(page.items)
          after = page.next
          this.#position = after
          hasMore = page.hasMore
        }
        for (const [listener, { round }] of this.#readAlone) if (round <= this.#round) this.#readAlone.delete(listener)
        this.#letGo(this.#round)
      }
    } catch (error) {
      if (error instanceof ApiError && error.code === 'gone') for (const listener of [...this.#listeners, ...this.#aside.keys()]) listener.end()
      else this.#retry = setTimeout(() => { this.readOn() }, rereadMs).unref()
    } finally {
      this.#isReading = false
    }
  }

  async #sendAll(items: readonly FeedItem[]): Promise<void> {
    let burstCharacters = 0
    for (const item of items) {
      const frame = this.#frameOf(item)
      this.#send(frame)
      // Who joins amid a page is told where the others are.
      this.#position = frame.position
      burstCharacters += frame.text.length
      if (burstCharacters <= burstCharactersMax) continue
      burstCharacters = 0
      await setImmediate()
    }
  }

  #send(frame: Frame): void {
    for (const [listener, aside] of this.#aside) {
      aside.frames.push(frame)
      aside.bytes += frame.text.length
      if (aside.bytes > limits.streamUnsentBytesMax) listener.disconnect()
    }
    for (const listener of this.#listeners) {
      if (this.#readAlone.get(listener)?.ids.has(frame.id) !== true) listener.send(frame)
    }
  }
}

import type { Answer, Asker } from './ask.ts'
import { threadMilliseconds } from './ask.ts'
import type { Question } from './questions.ts'
import type { Plan, Tables } from './tables.ts'

/** A question's first page, on a server that was not asked it before. */
export interface MeasuredPage {
  readonly question: Question
  /** Why the server did not answer. */
  readonly refusal: string | null
  /** Those of each server that was asked. */
  readonly ids: readonly (readonly number[])[]
  readonly ms: number
  /** Of the same page asked again. */
  readonly againMs: number
  /** Of the server with all its threads. */
  readonly cpuMs: number
  readonly plan: string
}

export interface Measured {
  readonly question: Question
  readonly page: MeasuredPage
  /** Null when the server did not answer. */
  readonly total: MeasuredTotal | null
  readonly byHand: ByHand
  /** How the server's answer differs from that of the SQL written by hand. */
  readonly difference: string | null
}

interface MeasuredTotal {
  readonly ms: number
  /** Of the total of a filter that was counted before. */
  readonly againMs: number
  readonly cpuMs: number
}

interface ByHand {
  readonly ids: readonly number[]
  readonly pageMs: number
  readonly total: number
  readonly totalMs: number
  readonly plan: Plan
}

export interface Subject {
  readonly asker: Asker
  readonly pid: number
  readonly tables: Tables
}

const pageLimit = 100
/** Answers slower than this are not asked for again and again. */
const slowMs = 300

export async function measurePage(question: Question, { asker, pid }: Subject): Promise<MeasuredPage> {
  const start = question.behind === null ? {} : await cursorAt(question.behind, question, asker)
  const search = { ...question.body, ...start, limit: pageLimit, total: false }
  const cpuBefore = threadMilliseconds(pid)
  const first = await asker.search(search)
  const cpuMs = threadMilliseconds(pid) - cpuBefore
  const refusal = refusalOf(first) ?? (question.behind !== null && !('cursor' in start) ? 'there are no cursors' : null)
  const againMs = await again(first, () => asker.search(search))
  const { body: { explain } } = await asker.search({ ...search, explain: true })
  return { question, refusal, ids: [idsOf(first)], ms: first.ms, againMs, cpuMs, plan: explain?.plan ?? 'not told' }
}

/** The total, on a server that was not asked for the page. */
export async function measureTotal({ page, byHand }: { page: MeasuredPage; byHand: ByHand }, subject: Subject): Promise<Measured> {
  const { question } = page
  const { asker, pid } = subject
  const cpuBefore = threadMilliseconds(pid)
  const first = await asker.search(countOf(question))
  const cpuMs = threadMilliseconds(pid) - cpuBefore
  if (page.refusal !== null || first.status !== 200) {
    return { question, page: { ...page, refusal: page.refusal ?? refusalOf(first) }, total: null, byHand, difference: null }
  }
  const againMs = await again(first, () => asker.search(countOf(question)))
  const total = first.body.total ?? -1
  const difference = page.ids.map((ids) => differenceOf({ ids, total }, byHand)).find((one) => one !== null) ?? null
  return {
    question, page, byHand, total: { ms: first.ms, againMs, cpuMs },
    difference: difference !== null && countsFromNow.test(JSON.stringify(question.body)) ? await differenceNow(question, subject) : difference
  }
}

/** What a date relative to now finds may have changed between two questions. */
const countsFromNow = /"-\d+[smhdw]"/

/** The quickest of what servers made of one question, all of them new to it; what one refused is refused. */
export function bestPage(pages: readonly MeasuredPage[]): MeasuredPage {
  const best = leastBy(pages, ({ ms }) => ms)
  const again = leastBy(pages, ({ againMs }) => againMs)
  return { ...best, ids: pages.flatMap(({ ids }) => ids), againMs: again.againMs, refusal: pages.find(({ refusal }) => refusal !== null)?.refusal ?? null }
}

export function bestTotal(all: readonly Measured[]): Measured {
  const totals = all.flatMap(({ total }) => (total === null ? [] : total))
  const refused = all.find(({ total }) => total === null)
  return {
    ...refused ?? leastBy(all, ({ total }) => total?.ms ?? Infinity),
    total: totals.length < all.length ? null : { ...leastBy(totals, ({ ms }) => ms), againMs: Math.min(...totals.map(({ againMs }) => againMs)) },
    difference: all.find(({ difference }) => difference !== null)?.difference ?? null
  }
}

function leastBy<Item>(items: readonly Item[], value: (item: Item) => number): Item {
  const [least] = items.toSorted((one, other) => value(one) - value(other))
  if (least === undefined) throw new Error('Nothing was measured')
  return least
}

/** Looks once more, since `-150d` means another second by then. */
async function differenceNow(question: Question, subject: Subject): Promise<string | null> {
  const start = question.behind === null ? {} : await cursorAt(question.behind, question, subject.asker)
  const page = await subject.asker.search({ ...question.body, ...start, limit: pageLimit })
  const total = await subject.asker.search(countOf(question))
  return differenceOf({ ids: idsOf(page), total: total.body.total ?? -1 }, findByHand(question, subject))
}

export function findByHand({ hand }: Question, { tables }: Pick<Subject, 'tables'>): ByHand {
  const counted = tables.count(hand.total)
  const page = tables.page(hand, counted.total)
  return { ids: page.ids, pageMs: page.ms, plan: page.plan, total: counted.total, totalMs: counted.ms }
}

function idsOf({ body: { data = [] } }: Answer): number[] {
  return data.map(({ id }) => id)
}

/** The search that counts a question. By id, so that no more than the total has to be found. */
export function countOf({ body }: Question): object {
  return { ...body, sort: 'id', limit: 1 }
}

/** A search of the same kind for something else, by which a server gets warm without having been asked the question. */
export function strangerTo({ body }: Question): object {
  return { ...body, filter: strange(body.filter), limit: pageLimit, total: false }
}

/** Values changed beyond recognition, and names kept. */
function strange(filter: unknown): unknown {
  if (Array.isArray(filter)) return filter.map(strange)
  if (typeof filter !== 'object' || filter === null) return filter
  return Object.fromEntries(Object.entries(filter).map(([key, value]) => [key, key === 'value' ? strangeValue(value) : strange(value)]))
}

function strangeValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strangeValue)
  if (typeof value === 'number') return value + 1
  if (typeof value === 'string') return /^-?\d+[smhdw]$/.test(value) ? value : [...value].toReversed().join('')
  return value
}

async function cursorAt(place: number, question: Question, asker: Asker): Promise<{ cursor?: string }> {
  const { body: { meta } } = await asker.search({ ...question.body, limit: 1, offset: place, total: false })
  return typeof meta?.cursor === 'string' ? { cursor: meta.cursor } : {}
}

async function again(first: Answer, ask: () => Promise<Answer>): Promise<number> {
  const times: number[] = []
  for (let time = 0; time < (first.ms > slowMs ? 1 : 3); time += 1) times.push((await ask()).ms)
  return times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] ?? first.ms
}

function refusalOf({ status, body: { errors = [] } }: Answer): string | null {
  return status === 200 ? null : `${status} ${errors.slice(1, 2).map(({ code, message }) => `${code}: ${message}`).join() || errors[0]?.message || ''}`
}

interface Found {
  readonly ids: readonly number[]
  readonly total: number
}

function differenceOf(served: Found, byHand: Found): string | null {
  if (served.total !== byHand.total) return `a total of ${served.total}, by hand ${byHand.total}`
  const place = byHand.ids.findIndex((id, index) => served.ids[index] !== id)
  if (place !== -1) return `customer ${served.ids[place]} at place ${place} of the page, by hand ${byHand.ids[place]}`
  return served.ids.length === byHand.ids.length ? null : `${served.ids.length} customers on the page, by hand ${byHand.ids.length}`
}

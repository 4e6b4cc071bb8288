import type { Answer, Asker } from './ask.ts'
import { threadMilliseconds } from './ask.ts'
import type { Question } from './questions.ts'
import type { Plan, Tables } from './tables.ts'

export interface Measured {
  readonly question: Question
  /** Why the server did not answer; then it has no times. */
  readonly refusal: string | null
  readonly served: Served | null
  readonly byHand: { readonly pageMs: number; readonly totalMs: number; readonly total: number; readonly plan: Plan }
  /** How the server's answer differs from that of the SQL written by hand. */
  readonly difference: string | null
}

interface Served {
  readonly pageMs: number
  /** The same page asked again. */
  readonly pageAgainMs: number
  readonly totalMs: number
  /** The total of a filter that was counted before. */
  readonly totalAgainMs: number
  /** Of the server with all its threads, for the first page and the first total. */
  readonly cpuMs: number
  readonly plan: string
}

const pageLimit = 100
/** Makes another filter of one, so that a page that was found does not help to count. */
const everyone = { comparison: 'AND', filter: [] }
/** Answers slower than this are not asked for again and again. */
const slowMs = 300

export interface Subject {
  readonly asker: Asker
  readonly pid: number
  readonly tables: Tables
  /** Whether the server knows groups of filters. */
  readonly knowsGroups: boolean
}

/** Asks the server and then the database; a difference is asked once more, since `-150d` means another second by then. */
export async function measure(question: Question, subject: Subject): Promise<Measured> {
  const first = await measureOnce(question, subject)
  if (first.difference === null) return first
  const second = await measureOnce(question, subject)
  return second.difference === null ? { ...first, difference: null } : first
}

async function measureOnce(question: Question, { asker, pid, tables, knowsGroups }: Subject): Promise<Measured> {
  const start = question.behind === null ? {} : await cursorAt(question.behind, question, asker)
  const body = { ...question.body, ...start }
  const counted = countOf(question, knowsGroups)
  const cpuBefore = threadMilliseconds(pid)
  const page = await asker.search({ ...body, limit: pageLimit, total: false })
  const total = await asker.search(counted)
  const cpuMs = threadMilliseconds(pid) - cpuBefore

  const handTotal = tables.count(question.hand.total)
  const handPage = tables.page(question.hand, handTotal.total)
  const byHand = { pageMs: handPage.ms, totalMs: handTotal.ms, total: handTotal.total, plan: handPage.plan }
  const refusal = refusalOf(page) ?? refusalOf(total) ?? (question.behind !== null && !('cursor' in start) ? 'there are no cursors' : null)
  if (refusal !== null) return { question, refusal, served: null, byHand, difference: null }

  const totalAgainMs = await again(total, () => asker.search(counted))
  const pageAgainMs = await again(page, () => asker.search({ ...body, limit: pageLimit, total: false }))
  const { body: { explain } } = await asker.search({ ...body, limit: pageLimit, total: false, explain: true })
  return {
    question, refusal, byHand,
    served: { pageMs: page.ms, pageAgainMs, totalMs: total.ms, totalAgainMs, cpuMs, plan: explain?.plan ?? 'not told' },
    difference: differenceOf({ ids: page.body.data?.map(({ id }) => id) ?? [], total: total.body.total ?? -1 }, { ids: handPage.ids, total: handTotal.total })
  }
}

/** The search that counts a question. */
export function countOf({ body, filters }: Question, knowsGroups: boolean): object {
  return { ...body, filter: [...filters, ...knowsGroups ? [everyone] : []], limit: 1 }
}

export async function knowsGroups(asker: Asker): Promise<boolean> {
  return (await asker.search({ filter: [everyone], limit: 1 })).status === 200
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

import { expect, test } from 'vitest'
import type { SendOutcome, Webhook } from '../webhook.ts'
import { givenUp, Judge } from './judge.ts'

const at = 1_700_000_000
const message = { id: 'm-1', changeId: 41, part: 1, customerId: 7, event: 'customer.updated' }
const fresh = { attempts: 1, firstAttemptAt: null, isReplay: false }
const yes: SendOutcome = { status: 204, text: '', error: null, durationMs: 30 }
const no: SendOutcome = { status: 500, text: 'not now', error: null, durationMs: 40 }
const silence: SendOutcome = { status: null, text: null, error: 'The connection was refused.', durationMs: 5 }

/** A judge in 2023, some time after it began; and what it said besides its verdicts. */
function openJudge(webhook: Partial<Pick<Webhook, 'succeededAt' | 'failingSince'>> = {}) {
  const clock = { ms: at * 1_000 + 250 }
  const told: unknown[] = []
  const judge = new Judge({ succeededAt: null, failingSince: null, ...webhook }, {
    schedule: [5, 300], failingSeconds: 1_000, now: () => clock.ms, random: () => 0.5,
    onAttempt: (attempt) => { told.push(attempt) }, onPause: (reason) => { told.push(reason) }
  })
  return { judge, told, clock, standing: () => ({ ...judge.health, hasFailedLast: judge.hasFailedLast }) }
}

test('a message that is answered with 2xx is delivered', () => {
  const { judge, told, standing } = openJudge({ succeededAt: at - 5_000, failingSince: at - 2_000 })
  expect(judge.verdict(message, { ...fresh, outcome: yes })).toEqual({
    retryAtMs: null,
    delivery: {
      ...message, status: 'delivered', attempts: 1, firstAttemptAt: at, lastAttemptAt: at, nextAttemptAt: null,
      responseStatus: 204, responseText: '', error: null, durationMs: 30, isReplay: false
    }
  })
  expect(told).toEqual([{ status: 'delivered', seconds: 0.03 }])
  expect(standing()).toEqual({ succeededAt: at, failingSince: null, hasFailedLast: false })
})

test('one that is not is retried when the schedule says, and has failed at its end', () => {
  const { judge, told, clock, standing } = openJudge({ succeededAt: at - 10 })
  const delivery = {
    ...message, status: 'retrying', attempts: 1, firstAttemptAt: at, lastAttemptAt: at, nextAttemptAt: at + 6,
    responseStatus: 500, responseText: 'not now', error: null, durationMs: 40, isReplay: false
  }
  expect(judge.verdict(message, { ...fresh, outcome: no })).toEqual({ retryAtMs: at * 1_000 + 250 + 5_250, delivery })
  clock.ms += 6_000
  expect(judge.verdict(message, { ...fresh, outcome: silence, attempts: 2, firstAttemptAt: at })).toEqual({
    retryAtMs: at * 1_000 + 6_250 + 315_000,
    delivery: {
      ...delivery, attempts: 2, lastAttemptAt: at + 6, nextAttemptAt: at + 322,
      responseStatus: null, responseText: null, error: 'The connection was refused.', durationMs: 5
    }
  })
  expect(judge.verdict(message, { ...fresh, outcome: no, attempts: 3, firstAttemptAt: at })).toEqual({
    retryAtMs: null, delivery: { ...delivery, status: 'failed', attempts: 3, lastAttemptAt: at + 6, nextAttemptAt: null }
  })
  expect(told).toEqual([{ status: 'retrying', seconds: 0.04 }, { status: 'retrying', seconds: 0.005 }, { status: 'failed', seconds: 0.04 }])
  expect(standing()).toEqual({ succeededAt: at - 10, failingSince: at, hasFailedLast: true })
})

test('a replay that does not arrive has failed at once, and counts for the health of the webhook', () => {
  const { judge, standing } = openJudge()
  expect(judge.verdict(message, { outcome: no, attempts: 1, firstAttemptAt: at - 50, isReplay: true })).toEqual({
    retryAtMs: null,
    delivery: {
      ...message, status: 'failed', attempts: 1, firstAttemptAt: at - 50, lastAttemptAt: at, nextAttemptAt: null,
      responseStatus: 500, responseText: 'not now', error: null, durationMs: 40, isReplay: false
    }
  })
  expect(standing()).toEqual({ succeededAt: null, failingSince: at, hasFailedLast: true })
})

test.each([[199, 'retrying'], [200, 'delivered'], [299, 'delivered'], [300, 'retrying'], [404, 'retrying']])('an answer of %d makes a delivery %s', (status, expected) => {
  expect(openJudge().judge.verdict(message, { ...fresh, outcome: { ...yes, status } }).delivery.status).toBe(expected)
})

test('a receiver that says it is gone has its webhook paused, while the message may be retried', () => {
  const { judge, told } = openJudge()
  expect(judge.verdict(message, { ...fresh, outcome: { ...no, status: 410 } }).delivery.status).toBe('retrying')
  expect(told).toEqual([{ status: 'retrying', seconds: 0.04 }, 'gone'])
})

test('a webhook at which nothing has arrived for the time allowed is paused, and not a second before', () => {
  const { judge, told, clock } = openJudge()
  const fail = (): unknown => {
    judge.verdict(message, { ...fresh, outcome: no })
    return told.splice(0).at(-1)
  }
  expect(fail()).toEqual({ status: 'retrying', seconds: 0.04 })
  clock.ms += 999_000
  expect(fail()).toEqual({ status: 'retrying', seconds: 0.04 })
  clock.ms += 1_000
  expect(fail()).toBe('failing')
})

test('what arrives in between begins that time anew, and what was before this process counts', () => {
  const { judge, told, clock } = openJudge({ failingSince: at - 999 })
  judge.verdict(message, { ...fresh, outcome: no })
  expect(told.splice(0)).toEqual([{ status: 'retrying', seconds: 0.04 }])
  judge.verdict(message, { ...fresh, outcome: yes })
  clock.ms += 1_000
  judge.verdict(message, { ...fresh, outcome: no })
  expect(told).toEqual([{ status: 'delivered', seconds: 0.03 }, { status: 'retrying', seconds: 0.04 }])
  expect(judge.health).toEqual({ succeededAt: at, failingSince: at + 1 })
  const other = openJudge({ failingSince: at - 1_000 })
  other.judge.verdict(message, { ...fresh, outcome: no })
  expect(other.told.at(-1)).toBe('failing')
})

test('a webhook is paused between two attempts as well', () => {
  const { judge, told, clock } = openJudge()
  judge.look()
  judge.verdict(message, { ...fresh, outcome: no })
  clock.ms += 999_000
  judge.look()
  expect(told.splice(0)).toEqual([{ status: 'retrying', seconds: 0.04 }])
  clock.ms += 1_000
  judge.look()
  expect(told).toEqual(['failing'])
})

test('a delivery that there is nothing to send for any more has failed, with what was last answered', () => {
  const { delivery } = openJudge().judge.verdict(message, { ...fresh, outcome: no })
  expect(givenUp({ ...delivery, isReplay: true })).toEqual({
    ...delivery, status: 'failed', nextAttemptAt: null, isReplay: false, error: 'Its change is no longer kept, or the webhook does not want it any more.'
  })
})

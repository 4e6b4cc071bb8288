import sql from 'sql-template-tag'
import { foldCase } from '../../src/case-folding.ts'
import { latestSeen, oldestSeen, searchSample } from './sample.ts'
import type { HandWritten, Plan, Tables } from './tables.ts'
import type { Term } from './terms.ts'
import { Terms } from './terms.ts'

export interface Question {
  readonly name: string
  /** What of a search's body says which customers are asked for, and in which order. */
  readonly body: Readonly<Record<string, unknown>>
  /** One filter on one field: its total has a target of its own. */
  readonly isOneFilter: boolean
  /** Sorted by a field whose pages may take long. */
  readonly isOtherSort: boolean
  /** Asked with the cursor of the page that ends here. */
  readonly behind: number | null
  readonly hand: HandWritten
}

interface Asked {
  /** By hand; when not given, from the index of the filter, or else every row. Others are tried where the hits are few or many. */
  readonly plan?: Plan
  readonly sort?: string
  readonly order?: 'asc' | 'desc'
  readonly offset?: number
  readonly behind?: number
  /** Needle, and its digits when it is part of a phone number. */
  readonly rankedBy?: readonly [string, string | null]
}

const otherSorts = ['city', 'company', 'countryCode', 'lastPage']
const day = 86_400

export function allQuestions(tables: Tables, { customers, seed }: { customers: number; seed: number }): Question[] {
  const terms = new Terms(tables)
  const questions: Question[] = []
  const ask = (name: string, asked: Term | Term[], options: Asked = {}): void => {
    questions.push(question(name, [asked].flat(), options, terms))
  }
  const t = terms
  const middle = Math.floor(customers / 2)
  const someone = searchedFor(seed, middle)
  const aDay = latestSeen - 700 * day

  ask('name = one', t.text('name', '=', someone.name))
  ask('name ~ 1 character, common', t.text('name', '~', 'a'), { plan: 'walk' })
  ask('name ~ 1 character, Han', t.text('name', '~', '林'), { plan: 'walk' })
  ask('name ~ 2 characters', t.text('name', '~', 'ma'), { plan: 'walk' })
  ask('name ~ 3 characters', t.text('name', '~', 'Mar'), { plan: 'walk' })
  ask('name ~ 12 characters, rare', t.text('name', '~', someone.name.slice(-12)))
  ask('name ~ Cyrillic', t.text('name', '~', 'Шевчен'), { plan: 'walk' })
  ask('name ~ absent', t.text('name', '~', 'qqzzj'))
  ask('name !~ common', t.negated(t.text('name', '~', 'a'), '!~'), { plan: 'walk' })
  ask('name ^ common', t.text('name', '^', 'anna '), { plan: 'walk' })
  ask('name $ Greek', t.text('name', '$', 'όπουλος'), { plan: 'walk' })
  ask('name in 5', t.oneOf('name', [someone.name, 'anna smith', 'иван петров', 'qqzzj', 'maria müller']))
  ask('name empty', t.empty('name'), { plan: 'walk' })
  ask('email = one', t.text('email', '=', someone.email))
  ask('email = absent', t.text('email', '=', 'nobody@example.invalid'))
  ask('email != one', t.negated(t.text('email', '=', someone.email), '!='), { plan: 'walk' })
  ask('email ~ common host', t.text('email', '~', 'gmail.com'), { plan: 'walk' })
  ask('email ~ rare host', t.text('email', '~', 'tutanota'), { plan: 'walk' })
  ask('email ~ rare mailbox', t.text('email', '~', someone.email.slice(0, 12)))
  ask('email ~ absent', t.text('email', '~', 'x@@y'))
  ask('email !~ common host', t.negated(t.text('email', '~', 'gmail'), '!~'), { plan: 'walk' })
  ask('email ^', t.text('email', '^', 'anna.'))
  ask('email $ host', t.text('email', '$', '@proton.me'), { plan: 'walk' })
  ask('email in 1,000', t.oneOf('email', manyEmails(seed, customers)))
  ask('email !empty', t.empty('email', { isNegated: true }), { plan: 'walk' })
  ask('userId = one', t.text('userId', '=', someone.userId))
  ask('userId ^', t.text('userId', '^', someone.userId.slice(0, 5)))
  ask('userId ~', t.text('userId', '~', '777'), { plan: 'walk' })
  ask('company ~ common', t.text('company', '~', 'river'), { plan: 'walk' })
  ask('company = one', t.text('company', '=', 'river blue logistics ltd'))
  ask('phone ~', t.text('phone', '~', '555-1'), { plan: 'walk' })
  ask('phone ^', t.text('phone', '^', '+380'), { plan: 'walk' })
  ask('countryCode =', t.text('countryCode', '=', 'ua'), { plan: 'walk' })
  ask('countryCode != common', t.negated(t.text('countryCode', '=', 'US'), '!='), { plan: 'walk' })
  ask('countryCode in 3', t.oneOf('countryCode', ['is', 'ee', 'mt']), { plan: 'walk' })
  ask('countryCode !in 5', t.negated(t.oneOf('countryCode', ['us', 'de', 'gb', 'ua', 'fr']), '!in'), { plan: 'walk' })
  ask('regionCode =', t.text('regionCode', '=', 'by'), { plan: 'walk' })
  ask('city = rare', t.text('city', '=', 'valletta'), { plan: 'walk' })
  ask('city ~', t.text('city', '~', 'berl'), { plan: 'walk' })
  ask('locale =', t.text('locale', '=', 'pt_br'), { plan: 'walk' })
  ask('source ~', t.text('source', '~', 'autumn'), { plan: 'walk' })
  ask('referer empty', t.empty('referer'), { plan: 'walk' })
  ask('referer = rare', t.text('referer', '=', 'https://partner.example.net/offers'), { plan: 'walk' })
  ask('lastPage ~ common', t.text('lastPage', '~', '/pricing'), { plan: 'walk' })
  ask('lastPage $ rare', t.text('lastPage', '$', 'visit=777'))
  ask('notes ~', t.text('notes', '~', 'refund'), { plan: 'walk' })
  ask('notes ~ absent', t.text('notes', '~', 'refunding'))
  ask('notes !empty', t.empty('notes', { isNegated: true }), { plan: 'walk' })
  ask('createdFrom =', t.text('createdFrom', '=', 'telegram_bot'), { plan: 'walk' })
  ask('integrationId ^', t.text('integrationId', '^', '7000'))
  ask('telegramId = one', t.channelId('telegram', someone.telegramId))
  ask('viberId = absent', t.channelId('viber', '1'))
  ask('device.platform =', t.text('device.platform', '=', 'mobile'), { plan: 'walk' })
  ask('device.timezone = rare', t.text('device.timezone', '=', 'asia/tokyo'), { plan: 'walk' })
  ask('blocked = true', t.boolean('blocked', true), { plan: 'walk' })
  ask('unsubscribed = false', t.boolean('unsubscribed', false), { plan: 'walk' })

  ask('id = one', t.number('id', '=', middle))
  ask('id in 100', t.numberIn('id', Array.from({ length: 100 }, (_, index) => 1 + Math.floor(customers * index / 100))))
  ask('id between', t.between('id', middle, middle + 5_000))
  ask('id > most', t.number('id', '>', Math.floor(customers * 0.99)))
  ask('firstSeen, one day, sorted by lastSeen', t.between('firstSeen', aDay, aDay + day), { sort: 'lastSeen' })
  ask('firstSeen >= wide', t.number('firstSeen', '>=', oldestSeen + 300 * day), { plan: 'walk' })
  ask('firstSeen != one', t.negated(t.number('firstSeen', '=', aDay), '!='), { plan: 'walk' })
  ask('firstSeen empty', t.empty('firstSeen'))
  ask('lastSeen >= -150d', t.number('lastSeen', '>=', '-150d'), { plan: 'walk' })
  ask('lastSeen between', t.between('lastSeen', aDay, aDay + 7 * day))
  ask('createdAt <', t.number('createdAt', '<', oldestSeen + 2 * day), { plan: 'walk', sort: 'createdAt' })
  ask('updatedAt >, sorted by it', t.number('updatedAt', '>', latestSeen - 10 * day), { plan: 'walk', sort: 'updatedAt', order: 'desc' })

  ask('payments = 3', t.data('payments', '=', 3, sql`= 3`), { plan: 'walk' })
  ask('payments != 3', t.negated(t.data('payments', '=', 3, sql`= 3`), '!='), { plan: 'walk' })
  ask('payments >= 498, rare', t.data('payments', '>=', 498, sql`>= 498`))
  ask('payments between', t.data('payments', 'between', [5, 20], sql`between 5 and 20`), { plan: 'walk' })
  ask('seats > 990, sorted by it', t.data('seats', '>', 990, sql`> 990`), { sort: 'customData.seats', plan: 'walk', order: 'desc' })
  ask('revenue > 9,900, rare', t.data('revenue', '>', 9_900, sql`> 9900`))
  ask('revenue between', t.data('revenue', 'between', [0.5, 50], sql`between 0.5 and 50`), { plan: 'walk' })
  ask('is_trial = true', t.data('is_trial', '=', true, sql`= 1`), { plan: 'walk' })
  ask('plan =', t.data('plan', '=', 'pro', sql`= 'pro'`), { plan: 'walk' })
  ask('plan in 2', t.data('plan', 'in', ['enterprise', 'business'], sql`in ('enterprise', 'business')`), { plan: 'walk' })
  ask('industry ~', t.data('industry', '~', 'ware', sql`like '%ware%'`), { plan: 'walk' })
  ask('account_code = one', t.data('account_code', '=', someone.accountCode, sql`= ${someone.accountCode}`))
  ask('account_code ^', t.data('account_code', '^', someone.accountCode.slice(0, 6), sql`between ${someone.accountCode.slice(0, 6)} and ${`${someone.accountCode.slice(0, 6)}~`}`))
  ask('discount !empty, 2 %', t.dataEmpty('discount', { isNegated: true }))
  ask('discount empty', t.dataEmpty('discount'), { plan: 'walk' })

  ask('tag, four in ten', t.tags('all', ['Lead']), { plan: 'walk' })
  ask('tag, one in thirty', t.tags('all', ['Churned']), { plan: 'walk' })
  ask('tag, rare', t.tags('all', ['Group 150']))
  ask('tag, unique', t.tags('all', ['Unique']))
  ask('tag, unknown', t.tags('all', ['Nobody has it']))
  ask('two tags', t.tags('all', ['Trial', 'Lead']), { plan: 'walk' })
  ask('two tags, rare', t.tags('all', ['Group 100', 'Group 050']))
  ask('any of three tags', t.tags('any', ['Group 120', 'Group 121', 'Group 122']))
  ask('none of two tags', t.negated(t.tags('any', ['Lead', 'Newsletter']), 'none'), { plan: 'walk' })
  ask('some tag', t.negated(t.noTags(), '!empty'), { plan: 'walk' })
  ask('no tags', t.noTags(), { plan: 'walk' })

  ask('events, at least 3', t.events('Invoice paid', '>=', 3))
  ask('events, none', t.events('Page viewed', '=', 0), { plan: 'walk' })
  ask('events, in a month', t.events('Order placed', '>=', 1, { since: latestSeen - 60 * day, until: latestSeen - 30 * day }))
  ask('events, rare', t.events('Account closed', '>', 4))
  ask('events between', t.eventsBetween('Invoice paid', 2, 4))
  ask('events, unknown name', t.events('Never happened', '=', 0), { plan: 'walk' })

  ask('text, common', t.anyText('anna'), { rankedBy: ['anna', null] })
  ask('text, 1 character', t.anyText('a'), { rankedBy: ['a', null] })
  ask('text, rare', t.anyText(someone.email.slice(0, 12)), { rankedBy: [someone.email.slice(0, 12), null] })
  ask('text, absent', t.anyText('qqzzj'), { rankedBy: ['qqzzj', null] })
  ask('text, digits of a phone', t.anyText('0044 20 12', '00442012'), { rankedBy: ['0044 20 12', '00442012'] })
  ask('text !~', t.negated(t.anyText('an'), '!~'), { plan: 'walk' })
  ask('text, sorted by firstSeen', t.anyText('river'), { sort: 'firstSeen', plan: 'walk' })

  const lead = t.tags('all', ['Lead'])
  const rareTag = t.tags('all', ['Group 100'])
  const pro = t.data('plan', '=', 'pro', sql`= 'pro'`)
  ask('tag AND text AND number', [lead, t.text('email', '~', 'gmail'), t.data('payments', '>=', 5, sql`>= 5`)], { plan: 'walk' })
  ask('rare tag AND common text', [t.all([rareTag, t.text('name', '~', 'a')], { drivenBy: rareTag })])
  ask('common AND absent', [lead, t.text('company', '~', 'qqzzj')])
  ask('name OR email', t.any([t.text('name', '~', 'maria'), t.text('email', '~', 'proton')]), { plan: 'walk' })
  ask('email = OR userId =', t.any([t.text('email', '=', someone.email), t.text('userId', '=', someone.userId)]))
  ask('rare OR rare', t.any([t.tags('all', ['Unique']), t.text('email', '~', someone.email.slice(0, 12))]))
  ask('(two texts ORed) AND NOT tag AND value', [t.any([t.text('name', '~', 'mar'), t.text('company', '~', 'stone')]), t.not(t.all([lead])), pro], { plan: 'walk' })
  ask('nested, 3 levels with not', [
    t.any([t.all([t.text('countryCode', '=', 'de'), t.not(t.any([pro, t.text('city', '=', 'berlin')]))]), t.all([t.tags('all', ['VIP']), t.text('email', '~', 'yahoo')])]),
    t.number('lastSeen', '>', latestSeen - 500 * day)
  ], { plan: 'walk' })
  ask('nested, rare inside', [t.any([t.all([pro, t.text('name', '~', 'qqzzj')]), t.tags('all', ['Unique'])]), t.not(t.all([t.text('countryCode', '=', 'us')]))])
  ask('ten filters', [
    lead, pro, t.boolean('blocked', false), t.boolean('unsubscribed', false), t.empty('email', { isNegated: true }), t.negated(t.text('name', '~', 'qq'), '!~'),
    t.number('firstSeen', '>', oldestSeen), t.data('seats', '>', 10, sql`> 10`), t.negated(t.text('email', '~', 'yahoo'), '!~'), t.data('is_trial', '=', false, sql`= 0`)
  ], { plan: 'walk' })

  ask('everyone', [], { plan: 'walk' })
  ask('everyone, offset half', [], { plan: 'walk', offset: middle })
  ask('everyone, cursor at half', [], { plan: 'walk', behind: middle })
  ask('common text, offset a quarter', t.text('name', '~', 'a'), { plan: 'walk', offset: Math.floor(customers / 4) })
  ask('common tag, cursor at a quarter', lead, { plan: 'walk', behind: Math.floor(customers / 4) })
  ask('attribute, cursor at a quarter, sorted by it', t.data('seats', '>', 1, sql`> 1`), { plan: 'walk', sort: 'customData.seats', behind: Math.floor(customers / 4) })
  ask('sorted by id, backwards', t.text('email', '~', 'gmail'), { plan: 'walk', sort: 'id', order: 'desc' })
  ask('sorted by lastSeen, backwards', lead, { plan: 'walk', sort: 'lastSeen', order: 'desc' })
  ask('sorted by name', lead, { plan: 'walk', sort: 'name' })
  ask('sorted by name, rare', rareTag, { sort: 'name' })
  ask('sorted by email, backwards', t.text('countryCode', '=', 'fr'), { plan: 'walk', sort: 'email', order: 'desc' })
  ask('sorted by revenue, backwards', lead, { plan: 'walk', sort: 'customData.revenue', order: 'desc' })
  ask('sorted by discount, which few have', t.text('countryCode', '=', 'fr'), { plan: 'walk', sort: 'customData.discount' })
  ask('sorted by createdAt', t.text('name', '~', 'mar'), { plan: 'walk', sort: 'createdAt' })
  ask('sorted by updatedAt, backwards', lead, { plan: 'walk', sort: 'updatedAt', order: 'desc' })
  ask('sorted against the filter', t.number('lastSeen', '<', oldestSeen + 20 * day), { sort: 'lastSeen', order: 'desc', plan: 'walk' })
  ask('sorted against the filter: new ids by old firstSeen', t.number('id', '>', Math.floor(customers * 0.98)), { sort: 'createdAt' })
  ask('sorted by city', lead, { sort: 'city', plan: 'scan' })
  ask('sorted by lastPage, backwards', lead, { sort: 'lastPage', order: 'desc', plan: 'scan' })
  return questions
}

const everyone: Term = {
  filter: {}, where: sql`true`, drive: null, total: sql`select customer_count as total from organizations where id = 1`
}

function question(name: string, list: readonly Term[], asked: Asked, terms: Terms): Question {
  const { sort, order = 'asc', offset = 0, behind = null, rankedBy } = asked
  const [only, ...others] = list
  const whole = only === undefined ? everyone : others.length === 0 ? only : terms.all(list)
  const { from, where: matches } = whole.drive ?? { from: sql`customers`, where: whole.where }
  const total = whole.total ?? sql`select count(*) as total from ${from} where ${matches}`
  return {
    name, behind,
    isOneFilter: only !== undefined && others.length === 0 && !('comparison' in only.filter) && only.filter.field !== 'text',
    isOtherSort: sort !== undefined && otherSorts.includes(sort),
    body: {
      filter: list.map(({ filter }) => filter),
      ...sort === undefined ? {} : { sort: `customers.${sort}` },
      ...order === 'asc' ? {} : { order },
      ...offset === 0 ? {} : { offset }
    },
    hand: {
      total, offset, behind, order,
      where: whole.where,
      by: rankedBy === undefined ? sort ?? 'firstSeen' : { rank: terms.rank(...rankedBy) },
      plan: asked.plan ?? (whole.drive === null ? 'scan' : 'drive'),
      drive: whole.drive
    }
  }
}

interface Someone {
  readonly name: string
  readonly email: string
  readonly userId: string
  readonly accountCode: string
  readonly telegramId: string
}

/** A customer with a long name in Latin letters and all that questions ask of one; folded where searches fold. */
function searchedFor(seed: number, from: number): Someone {
  for (let number = from; ; number += 1) {
    const { name, email, userId, customData } = searchSample(seed, number).draft
    const { account_code: accountCode } = customData as Record<string, unknown>
    if (typeof name !== 'string' || typeof email !== 'string' || typeof userId !== 'string' || typeof accountCode !== 'string') continue
    if (!/^[A-Za-z]{5,} [A-Za-z]{8,}$/.test(name)) continue
    return { name: foldCase(name), email: foldCase(email), userId, accountCode: foldCase(accountCode), telegramId: telegramIdFrom(seed, from) }
  }
}

function telegramIdFrom(seed: number, from: number): string {
  for (let number = from; ; number += 1) {
    const { createdFrom, integrationId } = searchSample(seed, number).draft
    if (createdFrom === 'telegram_bot' && typeof integrationId === 'string') return integrationId
  }
}

function manyEmails(seed: number, customers: number): string[] {
  const emails = Array.from({ length: 1_000 }, (_, index) => searchSample(seed, Math.floor(customers * index / 1_000)).draft.email)
  return [...new Set(emails.flatMap((email) => (typeof email === 'string' ? foldCase(email) : [])))]
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { parse } from 'csv-parse/sync'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../engines.ts'
import type { RunningCli } from './start-cli.ts'
import { runCli, startCli } from './start-cli.ts'

type Row = Record<string, string>

const shop = readTable('chinook-customers')
const invoices = readTable('chinook-invoices')
const telco = readTable('telco-customers')

/** The shop's table names countries; the API wants their codes. */
const countryCodes: Row = {
  Argentina: 'AR', Australia: 'AU', Austria: 'AT', Belgium: 'BE', Brazil: 'BR', Canada: 'CA', Chile: 'CL',
  'Czech Republic': 'CZ', Denmark: 'DK', Finland: 'FI', France: 'FR', Germany: 'DE', Hungary: 'HU', India: 'IN',
  Ireland: 'IE', Italy: 'IT', Netherlands: 'NL', Norway: 'NO', Poland: 'PL', Portugal: 'PT', Spain: 'ES',
  Sweden: 'SE', 'United Kingdom': 'GB', USA: 'US'
}

const numberColumns = ['SeniorCitizen', 'tenure', 'MonthlyCharges', 'TotalCharges']
const telcoAttributes = Object.keys(telco[0] ?? {}).filter((column) => column !== 'customerID')
const booleanColumns = telcoAttributes.filter((column) => telco.every((row) => ['Yes', 'No'].includes(row[column] ?? '')))

const everyone = shop.length + telco.length
const halfYear = { from: seconds('2025-01-01 00:00:00'), to: seconds('2025-07-01 00:00:00') }

/**
 * `pinned` was counted from the files with Python's csv module, `count` is this file's own way
 * through them, and `ask` asks the server. All three have to agree.
 */
interface Question {
  readonly ask: (server: RunningCli) => Promise<unknown>
  readonly count: () => unknown
  readonly pinned: unknown
}

const questions: Record<string, Question> = {
  'how many are there': {
    ask: async (server) => pageOf(await server.call('GET', '/v1/customers?limit=1')).total,
    count: () => everyone,
    pinned: 7102
  },
  'who is called köhler, in small letters': {
    ask: (server) => names(server, [['name', '~', 'köhler']]),
    count: () => shopNames((row) => nameOf(row).toLowerCase().includes('köhler')),
    pinned: ['Leonie Köhler']
  },
  'who is called KÖHLER, in capitals': {
    ask: (server) => names(server, [['name', '~', 'KÖHLER']]),
    count: () => shopNames((row) => nameOf(row).toLowerCase().includes('köhler')),
    pinned: ['Leonie Köhler']
  },
  'whose whole name is BJØRN HANSEN': {
    ask: (server) => names(server, [['name', '=', 'BJØRN HANSEN']]),
    count: () => shopNames((row) => nameOf(row).toLowerCase() === 'bjørn hansen'),
    pinned: ['Bjørn Hansen']
  },
  'whose name has SŁAW in it': {
    ask: (server) => names(server, [['name', '~', 'SŁAW']]),
    count: () => shopNames((row) => nameOf(row).toLowerCase().includes('sław')),
    pinned: ['Stanisław Wójcik']
  },
  'whose name has an é, with no regard to case but with regard to the accent': {
    ask: (server) => names(server, [['name', '~', 'É']]),
    count: () => shopNames((row) => nameOf(row).toLowerCase().includes('é')),
    pinned: ['Diego Gutiérrez']
  },
  'how many use gmail': {
    ask: (server) => total(server, [['email', '~', '@GMAIL.']]),
    count: () => shop.filter((row) => (row.Email ?? '').includes('@gmail.')).length,
    pinned: 8
  },
  'who has this email, in another case': {
    ask: (server) => names(server, [['email', '=', 'LuisG@Embraer.com.br']]),
    count: () => shopNames((row) => row.Email === 'luisg@embraer.com.br'),
    pinned: ['Luís Gonçalves']
  },
  'how many are in the USA': {
    ask: (server) => total(server, [['countryCode', '=', 'us']]),
    count: () => shop.filter((row) => row.Country === 'USA').length,
    pinned: 13
  },
  'how many are not in the USA, people of unknown country among them': {
    ask: (server) => total(server, [['countryCode', '!=', 'US']]),
    count: () => everyone - shop.filter((row) => row.Country === 'USA').length,
    pinned: 7089
  },
  'how many are in Brazil or in a city with PAR in it': {
    ask: (server) => total(server, [['countryCode', '=', 'BR'], ['city', '~', 'PAR']], 'OR'),
    count: () => shop.filter((row) => row.Country === 'Brazil' || (row.City ?? '').toLowerCase().includes('par')).length,
    pinned: 7
  },
  'how many are in Brazil and in SÃO PAULO': {
    ask: (server) => total(server, [['countryCode', '=', 'BR'], ['city', '=', 'SÃO PAULO']]),
    count: () => shop.filter((row) => row.Country === 'Brazil' && row.City === 'São Paulo').length,
    pinned: 2
  },
  'how many have a region at all': {
    ask: (server) => total(server, [['regionCode', '~', '']]),
    count: () => shop.filter((row) => row.State !== '').length,
    pinned: 30
  },
  'who of the shop has no phone': {
    ask: (server) => names(server, [['phone', '!~', ''], ['tagsData', '=', ['Chinook']]]),
    count: () => shopNames((row) => row.Phone === ''),
    pinned: ['Ladislav Kovács']
  },
  'how many of the shop are at no company with an O in it, or at none': {
    ask: (server) => total(server, [['company', '!~', 'o'], ['tagsData', '=', [{ name: 'Chinook' }]]]),
    count: () => shop.filter((row) => !(row.Company ?? '').toLowerCase().includes('o')).length,
    pinned: 51
  },
  'how many signed for two years': {
    ask: (server) => total(server, [['tagsData', '=', ['Two year']]]),
    count: () => telco.filter((row) => row.Contract === 'Two year').length,
    pinned: 1695
  },
  'how many signed for two years and have fibre': {
    ask: (server) => total(server, [['tagsData', '=', [{ name: 'Two year' }, { name: 'Fiber optic' }]]]),
    count: () => telco.filter((row) => row.Contract === 'Two year' && row.InternetService === 'Fiber optic').length,
    pinned: 429
  },
  'how many signed for one year or two': {
    ask: (server) => total(server, [['tagsData', '=', ['One year']], ['tagsData', '=', ['Two year']]], 'OR'),
    count: () => telco.filter((row) => row.Contract !== 'Month-to-month').length,
    pinned: 3168
  },
  'how many have the tag in another case, which is another tag': {
    ask: (server) => total(server, [['tagsData', '=', ['two year']]]),
    count: () => telco.filter((row) => row.Contract === 'two year').length,
    pinned: 0
  },
  'whose userId has VEG in it': {
    ask: (server) => userIds(server, [['userId', '~', 'VEG']]),
    count: () => telco.flatMap(({ customerID = '' }) => (customerID.includes('VEG') ? customerID : [])).toSorted((one, other) => (one < other ? -1 : 1)),
    pinned: ['6500-JVEGC', '7590-VHVEG']
  },
  'which of those pay by the month': {
    ask: (server) => userIds(server, [['userId', '~', 'VEG'], ['tagsData', '=', ['Month-to-month']]]),
    count: () => telco.flatMap(({ customerID = '', Contract }) => (customerID.includes('VEG') && Contract === 'Month-to-month' ? customerID : [])),
    pinned: ['7590-VHVEG']
  },
  'who has this userId': {
    ask: (server) => userIds(server, [['userId', '=', '7590-VHVEG']]),
    count: () => telco.flatMap(({ customerID = '' }) => (customerID === '7590-VHVEG' ? customerID : [])),
    pinned: ['7590-VHVEG']
  },
  'who has this userId in another case': {
    ask: (server) => userIds(server, [['userId', '=', '7590-vhveg']]),
    count: () => telco.flatMap(({ customerID = '' }) => (customerID === '7590-vhveg' ? customerID : [])),
    pinned: []
  },
  'who has the userId 42, asked as a number': {
    ask: (server) => names(server, [['userId', '=', 42]]),
    count: () => shopNames((row) => row.CustomerId === '42'),
    pinned: ['Wyatt Girard']
  },
  'how many have an id up to that of the last shop customer': {
    ask: (server) => total(server, [['id', '<=', shop.length]]),
    count: () => shop.length,
    pinned: 59
  },
  'how many last bought in the first half of 2025': {
    ask: (server) => total(server, [['lastSeen', '>=', halfYear.from], ['lastSeen', '<', String(halfYear.to)]]),
    count: () => shop.filter((row) => lastSeen(row) >= halfYear.from && lastSeen(row) < halfYear.to).length,
    pinned: 15
  },
  'how many did not first buy on the first day, those never seen among them': {
    ask: (server) => total(server, [['firstSeen', '!=', seconds('2021-01-01 00:00:00')]]),
    count: () => everyone - shop.filter((row) => firstSeen(row) === seconds('2021-01-01 00:00:00')).length,
    pinned: 7101
  },
  'who has been away longest': {
    ask: (server) => page(server, { sort: 'customers.lastSeen', order: 'asc', limit: 3, filter: [] }),
    count: () => byDate(lastSeen).slice(0, 3).map(nameOf),
    pinned: ['Puja Srivastava', 'Niklas Schröder', 'Leonie Köhler']
  },
  'who of the shop was here last': {
    ask: (server) => page(server, { sort: 'lastSeen', order: 'DESC', limit: 3, filter: [filter(['tagsData', '=', ['Chinook']])] }),
    count: () => byDate(lastSeen).toReversed().slice(0, 3).map(nameOf),
    pinned: ['Manoj Pareek', 'Terhi Hämäläinen', 'Madalena Sampaio']
  },
  'who stands where the list by firstSeen runs out of dates': {
    ask: async (server) => pageOf(await server.call('GET', '/v1/customers?sort=customers.firstSeen&order=asc&offset=56&limit=5')).data.map(({ name }) => name),
    count: () => [...byDate(firstSeen).slice(56).map(nameOf), null, null],
    pinned: ['Diego Gutiérrez', 'Manoj Pareek', 'Madalena Sampaio', null, null]
  },
  'who stands there in the other direction': {
    ask: async (server) => pageOf(await server.call('GET', '/v1/customers?sort=customers.firstSeen&order=desc&offset=56&limit=5')).data.map(({ name }) => name),
    count: () => [...byDate(firstSeen).toReversed().slice(56).map(nameOf), null, null],
    pinned: ['Daan Peeters', 'Bjørn Hansen', 'Leonie Köhler', null, null]
  },
  'what comes after the last customer': {
    ask: async (server) => (await server.call('GET', `/v1/customers?offset=${everyone}&limit=500`)).body,
    count: () => ({ data: [], total: everyone, meta: { total: everyone, limit: 100, cursor: null } }),
    pinned: { data: [], total: 7102, meta: { total: 7102, limit: 100, cursor: null } }
  },
  'what is known of customer 2': {
    ask: async (server) => (await server.call('GET', '/v1/customers/2')).body,
    count: () => shop.flatMap((row) => (row.CustomerId === '2' ? expectedShopCustomer(row) : [])).at(0),
    pinned: {
      id: 2, name: 'Leonie Köhler', email: 'leonekohler@surfeu.de', userId: '2', company: null, phone: '+49 0711 2842222',
      firstSeen: '1609459200', lastSeen: '1720828800',
      location: { regionCode: null, countryCode: 'DE', city: 'Stuttgart' },
      device: null, unsubscribed: false, blocked: false, source: null, referer: null, lastPage: null, locale: null,
      createdFrom: null, integrationId: null, notes: null,
      tags: [{ name: 'Chinook', color: '#c377e0' }],
      customData: { address: 'Theodor-Heuss-Straße 34', postalCode: '70174', supportRepId: 5 }
    }
  },
  'what walking all pages adds up to': {
    ask: walk,
    count: () => ({
      customers: everyone,
      churned: telco.filter((row) => row.Churn === 'Yes').length,
      withPartner: telco.filter((row) => row.Partner === 'Yes').length,
      paperless: telco.filter((row) => row.PaperlessBilling === 'Yes').length,
      seniors: telco.filter((row) => row.SeniorCitizen === '1').length,
      months: sum(telco.map((row) => Number(row.tenure))),
      monthlyCents: sum(telco.map((row) => cents(row.MonthlyCharges))),
      totalCents: sum(telco.map((row) => cents(row.TotalCharges))),
      withoutTotal: telco.filter((row) => (row.TotalCharges ?? '').trim() === '').length
    }),
    pinned: {
      customers: 7102, churned: 1869, withPartner: 3402, paperless: 4171, seniors: 1142,
      months: 227990, monthlyCents: 45611660, totalCents: 1605616870, withoutTotal: 11
    }
  }
}

test('every question about real customers is answered as counted from their files, before and after a kill', { timeout: 180_000 }, async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'data', 'clientele.db')
  const pinned = Object.fromEntries(Object.entries(questions).map(([question, { pinned: answer }]) => [question, answer]))
  expect(Object.fromEntries(Object.entries(questions).map(([question, { count }]) => [question, count()]))).toEqual(pinned)
  expect(booleanColumns).toEqual(['Partner', 'Dependents', 'PhoneService', 'PaperlessBilling', 'Churn'])

  const first = await startCli({ database })
  await load(first)
  expect(await answers(first)).toEqual(pinned)
  expect(await telcoAsStored(first)).toEqual(telcoAsLoaded())
  await first.end('SIGKILL')

  const second = await startCli({ database, ...(first.key === undefined ? {} : { key: first.key }) })
  expect(second.key).toBe(undefined)
  expect(await answers(second)).toEqual(pinned)
  expect(await telcoAsStored(second)).toEqual(telcoAsLoaded())
  expect(await eventsAsStored(database, join(folder, 'copy.db'))).toEqual(eventsAsLoaded())
})

async function answers(server: RunningCli): Promise<Record<string, unknown>> {
  const given: Record<string, unknown> = {}
  for (const [question, { ask }] of Object.entries(questions)) given[question] = await ask(server)
  return given
}

/** The shop one by one, so that its customers get the ids they have in the file; the rest side by side. */
async function load(server: RunningCli): Promise<void> {
  for (const row of shop) {
    const { status, body } = await server.call('POST', '/v1/customers', shopDraft(row))
    expect({ status, body }).toEqual({ status: 201, body: expectedShopCustomer(row) })
  }
  await inParallel(16, invoices, async (row) => {
    const { status, body } = await server.call('POST', '/v1/events', invoiceEvent(row))
    // The event's id is the server's to choose.
    const { id, ...event } = body as Record<string, unknown>
    expect({ status, event, idType: typeof id }).toEqual({
      status: 200, event: { ...invoiceEvent(row), createdAt: String(invoiceEvent(row).createdAt) }, idType: 'number'
    })
  })
  await inParallel(32, telco, async (row) => {
    const { status, body } = await server.call('POST', '/v1/customers', telcoDraft(row))
    const { userId } = body as { userId?: string }
    expect({ status, userId }).toEqual({ status: 201, userId: row.customerID })
  })
}

async function inParallel<Item>(connections: number, items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values()
  await Promise.all(Array.from({ length: connections }, async () => {
    for (const item of rest) await work(item)
  }))
}

function shopDraft(row: Row): Record<string, unknown> {
  return present({
    userId: Number(row.CustomerId),
    name: nameOf(row),
    email: row.Email,
    company: row.Company,
    phone: row.Phone,
    location: present({ countryCode: countryCodes[row.Country ?? ''], regionCode: row.State, city: row.City }),
    firstSeen: firstSeen(row),
    lastSeen: lastSeen(row),
    tags: ['Chinook'],
    customData: shopData(row)
  })
}

function shopData(row: Row): Record<string, unknown> {
  return present({ address: row.Address, postalCode: row.PostalCode, fax: row.Fax, supportRepId: Number(row.SupportRepId) })
}

function expectedShopCustomer(row: Row): Record<string, unknown> {
  return {
    id: Number(row.CustomerId),
    name: nameOf(row),
    email: row.Email,
    userId: row.CustomerId,
    company: row.Company === '' ? null : row.Company,
    phone: row.Phone === '' ? null : row.Phone,
    firstSeen: String(firstSeen(row)),
    lastSeen: String(lastSeen(row)),
    location: { regionCode: row.State === '' ? null : row.State, countryCode: countryCodes[row.Country ?? ''], city: row.City },
    device: null,
    unsubscribed: false,
    blocked: false,
    source: null,
    referer: null,
    lastPage: null,
    locale: null,
    createdFrom: null,
    integrationId: null,
    notes: null,
    tags: [{ name: 'Chinook', color: '#c377e0' }],
    customData: shopData(row)
  }
}

/** Nobody knows when these customers were seen, so their dates are null and not the default. */
function telcoDraft(row: Row): Record<string, unknown> {
  return { userId: row.customerID, firstSeen: null, lastSeen: null, tags: telcoTags(row), customData: telcoData(row) }
}

function telcoTags({ Contract = '', InternetService = '' }: Row): string[] {
  return InternetService === 'No' ? [Contract] : [Contract, InternetService]
}

function telcoData(row: Row): Record<string, unknown> {
  return present(Object.fromEntries(telcoAttributes.map((column) => [column, typed(column, row[column] ?? '')])))
}

function typed(column: string, text: string): unknown {
  if (text.trim() === '') return undefined
  if (numberColumns.includes(column)) return Number(text)
  return booleanColumns.includes(column) ? text === 'Yes' : text
}

/** What the file leaves blank is left out. */
function present(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''))
}

function invoiceEvent(row: Row): { name: string; data: object; customer: number; createdAt: number } {
  return {
    name: 'Invoice paid',
    data: { invoiceId: Number(row.InvoiceId), total: Number(row.Total), country: row.BillingCountry },
    customer: Number(row.CustomerId),
    createdAt: seconds(row.InvoiceDate ?? '')
  }
}

interface ListedCustomer {
  readonly id: number
  readonly name: string | null
  readonly userId: string | null
  readonly tags: readonly { readonly name: string }[]
  readonly customData: Record<string, string | number | boolean>
}

interface Page {
  readonly data: readonly ListedCustomer[]
  readonly total: number
}

type FilterRow = readonly [field: string, operator: string, value: unknown]

function filter([field, operator, value]: FilterRow): object {
  return { field: `customers.${field}`, operator, value }
}

async function search(server: RunningCli, body: object): Promise<Page> {
  return pageOf(await server.call('POST', '/v1/customers/search', body))
}

function pageOf({ status, body }: { status: number; body: unknown }): Page {
  expect({ status, errors: (body as { errors?: unknown }).errors }).toEqual({ status: 200, errors: undefined })
  return body as Page
}

async function total(server: RunningCli, filters: readonly FilterRow[], comparison = 'AND'): Promise<number> {
  return (await search(server, { comparison, filter: filters.map(filter), limit: 1 })).total
}

async function names(server: RunningCli, filters: readonly FilterRow[]): Promise<unknown[]> {
  return (await search(server, { filter: filters.map(filter) })).data.map(({ name }) => name)
}

async function userIds(server: RunningCli, filters: readonly FilterRow[]): Promise<string[]> {
  return (await search(server, { filter: filters.map(filter) })).data.map(({ userId }) => String(userId)).toSorted((one, other) => (one < other ? -1 : 1))
}

async function page(server: RunningCli, body: object): Promise<unknown[]> {
  return (await search(server, body)).data.map(({ name }) => name)
}

async function listAll(server: RunningCli): Promise<ListedCustomer[]> {
  const all: ListedCustomer[] = []
  for (;;) {
    const { data } = pageOf(await server.call('GET', `/v1/customers?limit=100&offset=${all.length}`))
    all.push(...data)
    if (data.length < 100) return all
  }
}

async function walk(server: RunningCli): Promise<object> {
  const all = await listAll(server)
  const withTrue = (attribute: string): number => all.filter(({ customData }) => customData[attribute] === true).length
  const telcoRows = all.filter(({ customData }) => 'Churn' in customData)
  return {
    customers: new Set(all.map(({ id }) => id)).size,
    churned: withTrue('Churn'),
    withPartner: withTrue('Partner'),
    paperless: withTrue('PaperlessBilling'),
    seniors: all.filter(({ customData }) => customData.SeniorCitizen === 1).length,
    months: sum(telcoRows.map(({ customData }) => Number(customData.tenure))),
    monthlyCents: sum(telcoRows.map(({ customData }) => cents(customData.MonthlyCharges))),
    totalCents: sum(telcoRows.map(({ customData }) => cents(customData.TotalCharges))),
    withoutTotal: telcoRows.filter(({ customData }) => !('TotalCharges' in customData)).length
  }
}

/** Every telco customer's own part, by userId. */
async function telcoAsStored(server: RunningCli): Promise<unknown> {
  const all = await listAll(server)
  return Object.fromEntries(all.slice(shop.length).map(({ userId, tags, customData }) => [userId, { tags: tags.map(({ name }) => name), customData }]))
}

function telcoAsLoaded(): unknown {
  return Object.fromEntries(telco.map((row) => [row.customerID, { tags: telcoTags(row), customData: telcoData(row) }]))
}

/** No operation of the contract reads events, so they are read from a backup of the running server. */
async function eventsAsStored(database: string, copy: string): Promise<unknown> {
  await runCli(['backup', '--database', `sqlite:${database}`, '--to', copy])
  const db = new Database(copy, { readonly: true })
  const rows = db.prepare<[], { name: string; data: string; customer: number; createdAt: number }>(
    "select name, data, customer_id as customer, created_at as createdAt from events order by data ->> 'invoiceId'").all()
  db.close()
  return rows.map((row) => ({ ...row, data: JSON.parse(row.data) as unknown }))
}

function eventsAsLoaded(): unknown {
  return invoices.map(invoiceEvent)
}

function readTable(name: string): Row[] {
  return parse(readFileSync(new URL(`../data/${name}.csv`, import.meta.url)), { columns: true })
}

function nameOf({ FirstName, LastName }: Row): string {
  return `${FirstName} ${LastName}`
}

function shopNames(isWanted: (row: Row) => boolean): string[] {
  return shop.filter(isWanted).map(nameOf)
}

function purchases({ CustomerId }: Row): number[] {
  return invoices.filter((invoice) => invoice.CustomerId === CustomerId).map(({ InvoiceDate = '' }) => seconds(InvoiceDate))
}

function firstSeen(row: Row): number {
  return Math.min(...purchases(row))
}

function lastSeen(row: Row): number {
  return Math.max(...purchases(row))
}

/** Ties in the order of ids, as the server breaks them. */
function byDate(date: (row: Row) => number): Row[] {
  return shop.toSorted((one, other) => date(one) - date(other) || Number(one.CustomerId) - Number(other.CustomerId))
}

function seconds(utc: string): number {
  return Date.parse(`${utc.replace(' ', 'T')}Z`) / 1000
}

function cents(amount: string | number | boolean | undefined): number {
  return typeof amount !== 'number' && typeof amount !== 'string' || String(amount).trim() === '' ? 0 : Math.round(Number(amount) * 100)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, other) => one + other, 0)
}

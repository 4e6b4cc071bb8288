import { describe, expect, test } from 'vitest'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import { parseList, parseSearch } from './search.ts'

function faults(parse: () => unknown): readonly object[] {
  try {
    parse()
  } catch (error) {
    if (error instanceof ApiError && error.code === 'invalid_request') return error.faults
    throw error
  }
  throw new Error('It was not refused')
}

const filtersOf = (...filter: object[]): unknown => parseSearch({ filter }).search.filters
const blank = 'This value should not be blank.'
const defaults = { sort: 'firstSeen', order: 'asc', limit: 100, offset: 0, comparison: 'AND', filters: [] }

describe('what the contract leaves open is filled in', () => {
  test.each<[unknown, object]>([
    [{}, {}],
    [{ filter: [], comparison: null, sort: '', order: null, limit: '', offset: null }, {}],
    [{ comparison: 'or', order: 'DESC', sort: 'customer.lastSeen', limit: '7', offset: '3' }, { comparison: 'OR', order: 'desc', sort: 'lastSeen', limit: 7, offset: 3 }],
    [{ sort: 'customers.lastSeen', limit: 101 }, { sort: 'lastSeen', limit: 100 }],
    [{ sort: 'lastSeen', limit: 1 }, { sort: 'lastSeen', limit: 1 }]
  ])('%j', (body, expected) => {
    expect(parseSearch(body)).toEqual({ search: { ...defaults, ...expected }, ignored: [] })
  })
})

test('values take the form they are compared in', () => {
  expect(filtersOf(
    { field: 'customers.id', operator: '>=', value: '12' },
    { field: 'customers.name', operator: '~', value: 'STRAẞE Σς' },
    { field: 'customers.userId', operator: '=', value: 42 },
    { field: 'customers.userId', operator: '=', value: 'ABC' },
    { field: 'customers.telegramId', operator: '!=', value: 'É' },
    { field: 'customers.lastSeen', operator: '<', value: '1700000000.9' },
    { field: 'customers.createdAt', operator: '>', value: 5.5 },
    { field: 'customers.tagsData', operator: '=', value: [{ name: 'Lead' }, 'VIP', 'Lead'] },
    { field: 'customers.email', operator: '=', value: '' }
  )).toEqual([
    { type: 'number', field: 'id', operator: '>=', value: 12 },
    { type: 'text', field: 'name', operator: '~', value: 'straße σσ' },
    { type: 'text', field: 'userId', operator: '=', value: '42' },
    { type: 'text', field: 'userId', operator: '=', value: 'ABC' },
    { type: 'text', field: 'telegramId', operator: '!=', value: 'É' },
    { type: 'number', field: 'lastSeen', operator: '<', value: 1_700_000_000 },
    { type: 'number', field: 'createdAt', operator: '>', value: 5 },
    { type: 'tags', names: ['Lead', 'VIP'] },
    { type: 'text', field: 'email', operator: '=', value: '' }
  ])
})

test('every bad part is named', () => {
  expect(faults(() => parseSearch({
    comparison: 'XOR', sort: 'customers.name', order: 'up', limit: 0, offset: -1,
    filter: [
      { field: 'customers.emial', operator: '=', value: 'a' },
      { field: 'email', operator: '=', value: 'a' },
      { field: 'customers.id', operator: '~', value: 1 },
      { field: 'customers.id', operator: '=', value: 1.5 },
      { field: 'customers.name', operator: '>', value: 5 },
      { field: 'customers.tagsData', operator: '!=', value: [] },
      { field: 'customers.lastSeen', operator: '=', value: 'yesterday' },
      { field: 'customers.firstSeen', operator: '=', value: limits.dateSecondsMax + 1 },
      { field: 'customers.name', operator: '=' },
      { field: 'customers.name', operator: '=', value: null },
      { value: 1 },
      'customers.name = a',
      { field: '__proto__', operator: 'constructor', value: 'a' }
    ]
  }))).toEqual([
    { path: 'comparison', message: 'This value should be one of "AND", "OR".' },
    { path: 'filter[0].field', message: '"customers.emial" is not a searchable field' },
    { path: 'filter[1].field', message: '"email" is not a searchable field' },
    { path: 'filter[2].operator', message: '~ cannot be used on customers.id' },
    { path: 'filter[3].value', message: 'This value should be a whole number.' },
    { path: 'filter[4].operator', message: '> cannot be used on customers.name' },
    { path: 'filter[4].value', message: 'This value should be of type string.' },
    { path: 'filter[5].operator', message: '!= cannot be used on customers.tagsData' },
    { path: 'filter[5].value', message: blank },
    { path: 'filter[6].value', message: 'This value should be of type numeric.' },
    { path: 'filter[7].value', message: 'This value should be between 0 and 253402300799.' },
    { path: 'filter[8].value', message: blank },
    { path: 'filter[9].value', message: blank },
    { path: 'filter[10].field', message: blank },
    { path: 'filter[10].operator', message: blank },
    { path: 'filter[11]', message: 'This value should be of type object.' },
    { path: 'filter[12].field', message: '"__proto__" is not a searchable field' },
    { path: 'sort', message: 'This value should be one of "customers.firstSeen", "customers.lastSeen".' },
    { path: 'order', message: 'This value should be one of "asc", "desc".' },
    { path: 'limit', message: 'This value should be between 1 and 9007199254740991.' },
    { path: 'offset', message: 'This value should be between 0 and 9007199254740991.' }
  ])
})

test.each<[unknown, string, string]>([
  [{ filter: null }, 'filter', 'This value should be of type array.'],
  [{ filter: { field: 'customers.id', operator: '=', value: 1 } }, 'filter', 'This value should be of type array.'],
  [{ filter: Array.from({ length: limits.searchFiltersMax + 1 }, () => ({ field: 'customers.id', operator: '=', value: 1 })) }, 'filter',
    'This collection should contain 50 elements or less.'],
  [{ limit: 1.5 }, 'limit', 'This value should be a whole number.'],
  [{ limit: '1e2' }, 'limit', 'This value should be of type numeric.'],
  [{ limit: Infinity }, 'limit', 'This value should be between 1 and 9007199254740991.'],
  [[], 'body', 'This value should be of type object.'],
  [undefined, 'body', blank]
])('%j is refused at %s', (body, path, message) => {
  expect(faults(() => parseSearch(body))).toEqual([{ path, message }])
})

test('what means nothing is named, and changes nothing', () => {
  expect(parseSearch({ page: 2, filter: [{ field: 'customers.id', operator: '=', value: 1, type: 'integer' }] })).toEqual({
    search: { ...defaults, filters: [{ type: 'number', field: 'id', operator: '=', value: 1 }] }, ignored: ['page', 'filter[0].type']
  })
  expect(parseList({ page: '2', limit: '5' })).toEqual({ search: { ...defaults, limit: 5 }, ignored: ['page'] })
})

test('a list refuses a parameter that came twice', () => {
  expect(faults(() => parseList({ limit: ['1', '2'], sort: ['firstSeen', 'lastSeen'], order: ['asc'], offset: '0' }))).toEqual([
    { path: 'sort', message: 'This value should be one of "customers.firstSeen", "customers.lastSeen".' },
    { path: 'order', message: 'This value should be one of "asc", "desc".' },
    { path: 'limit', message: 'This value should be of type numeric.' }
  ])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Needle } from '../needle.ts'
import { digitsOf } from '../search.ts'
import { Bits } from './bits.ts'
import { Deadline } from './deadline.ts'
import { DictionaryTexts } from './dictionary-texts.ts'
import { decodeText, encodeText, type EncodedText } from './encoded-text.ts'
import { PhoneDigits, rankedLyings } from './phone-digits.ts'
import { RowMapping } from './row-mapping.ts'
import { RowPicker } from './row-picker.ts'
import { SegmentedTexts } from './segmented-texts.ts'
import { SparseTexts } from './sparse-texts.ts'
import { TextAffixes } from './text-affixes.ts'
import { TextColumn } from './text-column.ts'
import type { TextForm } from './text-form.ts'
import type { TextProbe } from './text-probe.ts'
import { accepts, needleProbe, textProbe } from './text-probe.ts'

// U+00FF and U+00FE are the bytes that part texts and stand for null, had they not become UTF-8.
const text = fc.array(fc.constantFrom('a', 'b', 'ab', '1', '-', 'é', 'ÿ', 'þ', '😀', '\uffff'), { maxLength: 5 }).map((parts) => encodeText(parts.join('')))
const maybeText = fc.option(text, { nil: null, freq: 4 })
const probe: fc.Arbitrary<TextProbe> = fc.oneof(
  fc.constantFrom<TextProbe>({ kind: 'filled' }, { kind: 'present' }),
  fc.tuple(text, fc.constantFrom('whole', 'start', 'end', 'inside')).map(([needle, how]) => needleProbe(decodeText(needle), how)),
  fc.record({ kind: fc.constant('digits'), digits: fc.constantFrom('1', '11', '111').map((digits) => new PhoneDigits(digits)), how: fc.constantFrom('whole', 'start', 'inside') }),
  fc.array(text, { maxLength: 12 }).map((values) => textProbe({ operator: 'in', values: values.map(decodeText) }))
)
// Rows of three segments, so that changes meet texts of a segment, its end, and what is behind it.
const row = fc.oneof(fc.nat(40), fc.integer({ min: 1_000, max: 1_100 }), fc.integer({ min: 2_000, max: 3_000 }))
const change = fc.record({ row, text: maybeText })

interface Ranked {
  readonly needle: EncodedText
  readonly isDigits: boolean
}

const rankedNeedle: fc.Arbitrary<Ranked> = fc.oneof(
  text.filter((needle) => needle !== '').map((needle) => ({ needle, isDigits: false })),
  fc.constantFrom('1', '11', '111').map((needle) => ({ needle, isDigits: true }))
)

function rowsOf(found: Bits): number[] {
  const rows: number[] = []
  for (let next = found.next(0); next >= 0; next = found.next(next + 1)) rows.push(next)
  return rows
}

function picked(picker: RowPicker): number[] {
  const rows = new Bits()
  picker.addTo(rows)
  return rowsOf(rows)
}

function selected(form: TextForm, asked: TextProbe): number[] {
  const found = new Bits()
  form.select(asked, found, Deadline.none)
  return rowsOf(found)
}

function ranked(form: TextForm, { needle, isDigits }: Ranked): number[][] {
  const found = rankedLyings.map(() => new Bits())
  form.rank(isDigits ? new PhoneDigits(needle) : new Needle(needle), found, Deadline.none)
  return found.map(rowsOf)
}

function rankOf(value: EncodedText, { needle, isDigits }: Ranked): number {
  const searched = isDigits ? digitsOf(value) : value
  return [searched === needle, searched.startsWith(needle), searched.includes(needle)].indexOf(true)
}

/** So many of each that they are worth sharing. */
function learnt(side: 'start' | 'end', shared: readonly string[]): TextAffixes {
  const affixes = TextAffixes.learn(shared.flatMap((part) => Array.from({ length: 40 }, (_, place) => encodeText(side === 'start' ? `${part}${place}` : `${place}${part}`))))
  if (affixes?.side !== side) throw new Error('Nothing was learnt')
  return affixes
}

const forms = {
  sparse: () => new SparseTexts(), dictionary: () => new DictionaryTexts(), segments: () => new SegmentedTexts(),
  'segments signed by digits': () => new SegmentedTexts('digits'),
  'segments that share beginnings': () => new SegmentedTexts('characters', learnt('start', ['a-', 'ab-', 'ab-a-', '1-', 'é1-'])),
  'segments that share ends': () => new SegmentedTexts('characters', learnt('end', ['-a', '-ab', '-a-ab', '-1', '-1é']))
}

test.each(Object.entries(forms))('%s keep, select and rank texts as changed, and as renumbered', (_name, create) => {
  fc.assert(fc.property(fc.array(maybeText, { maxLength: 300, size: 'max' }), fc.array(change, { maxLength: 200, size: 'max' }), fc.array(probe, { minLength: 1 }), fc.array(rankedNeedle), (first, changes, probes, rankProbes) => {
    const form = create()
    const plain = new Map<number, string | null>()
    const set = (changed: number, value: string | null): void => {
      form.set(changed, value)
      plain.set(changed, value)
    }
    first.forEach((value, place) => { set(place, value) })
    for (const { row: changed, text: value } of changes) set(changed, value)
    const expectSame = (expected: ReadonlyMap<number, string | null>): void => {
      const entries = [...expected].sort(([one], [other]) => one - other)
      expect(entries.map(([place]) => form.get(place))).toEqual(entries.map(([, value]) => value))
      for (const asked of probes) {
        const accepted = entries.filter(([, value]) => value !== null && accepts(asked, value)).map(([place]) => place)
        expect(selected(form, asked)).toEqual(accepted)
        const isAccepted = form.tester(asked, Deadline.none)
        expect(entries.map(([place]) => place).filter(isAccepted)).toEqual(accepted)
      }
      for (const order of ['asc', 'desc'] as const) {
        const picker = new RowPicker({ size: Math.ceil(entries.length / 2), order }, Deadline.none)
        const plainly = new RowPicker({ size: Math.ceil(entries.length / 2), order }, Deadline.none)
        const rows = new Bits()
        for (const [place, value] of entries) {
          rows.add(place)
          plainly.offer(value, place)
        }
        form.offerTo(picker, rows)
        expect(picked(picker)).toEqual(picked(plainly))
      }
      for (const asked of rankProbes) {
        expect(ranked(form, asked)).toEqual(rankedLyings.map((_how, rank) =>
          entries.filter(([, value]) => value !== null && rankOf(value, asked) === rank).map(([place]) => place)))
      }
    }
    expectSame(plain)
    // The first two rows go, and a new one comes before all others.
    const [gone, rowsBefore] = [2, 3_001]
    form.set(0, null)
    form.set(1, null)
    form.remap(new RowMapping(Int32Array.from({ length: rowsBefore - gone + 1 }, (_, target) => (target === 0 ? -1 : target - 1 + gone)), rowsBefore))
    expectSame(new Map([...plain].filter(([place]) => place >= gone).map(([place, value]) => [place - gone + 1, value])))
  }), { numRuns: 60 })
})

test('a segment takes texts of 65,535 characters of four bytes, whose offsets need more than 16 bits', () => {
  const form = new SegmentedTexts()
  const long = encodeText('😀'.repeat(65_535))
  for (let place = 0; place < 70; place += 1) form.set(place, `${place}${long}`)
  expect(selected(form, { kind: 'start', needle: '69' })).toEqual([69])
  expect(form.get(42)).toBe(`42${long}`)
})

test('rows that change again and again do not make others be searched in vain', () => {
  const form = SegmentedTexts.from(Array.from({ length: 1_024 }, (_, place) => `customer ${place}`))
  // Each text has other letters, all of which a signature would keep.
  for (let change = 0; change < 10_000; change += 1) form.set(change % 8 * 128, encodeText(String.fromCodePoint(0x4e00 + change, 0x5e00 + change)))
  expect(form.select(needleProbe('qqzzj', 'inside'), new Bits(), Deadline.none)).toBeLessThan(128)
})

test('a needle is found in every text, also where those of a segment are searched in several pieces', () => {
  const values = Array.from({ length: 60 }, (_, place) => `${'x'.repeat((place * 7_919) % (place % 8 === 0 ? 90_000 : 9_000))}${place % 3 === 0 ? 'y' : ''}${'x'.repeat(place % 2)}`)
  const form = SegmentedTexts.from(values)
  const having = values.flatMap((value, place) => (value.includes('y') ? [place] : []))
  expect(selected(form, needleProbe('y', 'inside'))).toEqual(having)
  expect(ranked(form, { needle: 'y', isDigits: false })).toEqual([[0], [], having.slice(1)])
})

test('a column that goes from few texts to repeating ones to all different ones keeps every text', () => {
  const column = new TextColumn()
  const isSlow: boolean[] = []
  for (let place = 0; place < 20_000; place += 1) {
    column.set(place, `text ${place}`)
    if (place % 10_000 === 9_999) isSlow.push(column.isSlow)
  }
  expect(isSlow).toEqual([false, true])
  expect([0, 63, 64, 16_384, 19_999].map((place) => column.get(place))).toEqual(['text 0', 'text 63', 'text 64', 'text 16384', 'text 19999'])
  expect(column.get(20_000)).toBe(null)
})

test('texts of a dictionary that nobody has any more make room for others', () => {
  const form = new DictionaryTexts()
  for (let value = 0; value < 70_000; value += 1) form.set(0, `text ${value}`)
  expect(form.distinct).toBe(1)
  expect(form.bytes).toBeLessThan(1_000)
})

test('a dictionary has room for more texts than its codes had bits for', () => {
  const form = new DictionaryTexts()
  for (let place = 0; place < 70_000; place += 1) form.set(place, `text ${place}`)
  expect([255, 256, 65_535, 65_536].map((place) => form.get(place))).toEqual(['text 255', 'text 256', 'text 65535', 'text 65536'])
})

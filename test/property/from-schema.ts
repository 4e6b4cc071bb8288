import fc from 'fast-check'
import { schemas } from '../../src/contract/schemas.ts'
import { limits } from '../../src/limits.ts'

/** The keywords that our schemas use. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly $ref?: string
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly properties?: Record<string, Schema>
  readonly patternProperties?: Record<string, Schema>
  readonly propertyNames?: { readonly not?: { readonly enum: readonly string[] } }
}

const knownKeywords: ReadonlySet<string> = new Set([
  'type', '$ref', 'anyOf', 'enum', 'minLength', 'maxLength', 'pattern', 'minimum', 'maximum', 'minItems', 'maxItems', 'items', 'required',
  'properties', 'patternProperties', 'propertyNames', 'maxProperties', 'description', 'examples', 'default', '$id'
])

// JSON Schema has no word for what CSS takes for a color, so this one is told in the description alone.
const colors = fc.constantFrom('red', '#FFF', '#12345678', 'rgb(1, 2, 3)', 'HSLA(120deg 100% 50% / 0.5)')

const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((one) => one !== '\0' && one.isWellFormed())

/** Any value that a named schema of the contract accepts. Text is well-formed and without U+0000, as everywhere in the contract. */
export function acceptedBy(name: string): fc.Arbitrary<unknown> {
  const schema = schemas.find(({ $id }) => $id === name)
  if (schema === undefined) throw new Error(`There is no schema ${name}`)
  const named = arbitraries.get(name) ?? arbitrary(schema as Schema)
  arbitraries.set(name, named)
  return named
}

/** Those that were asked for: of answers there are keywords that this generator need not know. */
const arbitraries = new Map<string, fc.Arbitrary<unknown>>()

function arbitrary(schema: Schema): fc.Arbitrary<unknown> {
  const unknown = Object.keys(schema).filter((keyword) => !knownKeywords.has(keyword))
  if (unknown.length > 0) throw new Error(`This generator does not know ${unknown.join()}`)
  const { $ref: name } = schema
  // Looked up when a value is made: a group of filters may hold groups.
  if (name !== undefined) return fc.constant(null).chain(() => acceptedBy(name))
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof({ maxDepth: limits.searchGroupLevelsMax, depthIdentifier: 'anyOf' }, ...schema.anyOf.map(arbitrary))
  if (schema.type === undefined) return fc.jsonValue().filter(hasSoundText)
  return fc.oneof(...[schema.type].flat().map((type) => ofType(type, schema)))
}

function ofType(type: string, schema: Schema): fc.Arbitrary<unknown> {
  const { minimum = -Number.MAX_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema
  switch (type) {
    case 'null': return fc.constant(null)
    case 'boolean': return fc.boolean()
    case 'integer': return fc.oneof(fc.integer({ min: minimum, max: maximum }), fc.constantFrom(minimum, maximum))
    case 'number': return fc.oneof(fc.double({ min: minimum, max: maximum, noNaN: true }), fc.constantFrom(minimum, maximum, 0, 0.1))
    case 'string': return string(schema)
    case 'array': return fc.array(arbitrary(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 4, 4) })
    case 'object': return object(schema)
    default: throw new Error(`This generator does not know the type ${type}`)
  }
}

function string({ minLength = 0, maxLength = 100, pattern }: Schema): fc.Arbitrary<string> {
  if (pattern !== undefined) {
    return fc.stringMatching(new RegExp(pattern)).filter((text) => [...text].length <= maxLength && hasSoundText(text))
  }
  const short = fc.array(character, { minLength, maxLength: Math.min(maxLength, 8) }).map((characters) => characters.join(''))
  // As long as it may be, counted in characters and not in their halves.
  const longest = character.map((one) => one.repeat(maxLength))
  return fc.oneof({ weight: 9, arbitrary: short }, { weight: 1, arbitrary: longest })
}

function object({ properties = {}, required = [], patternProperties = {}, propertyNames }: Schema): fc.Arbitrary<object> {
  const [values] = Object.values(patternProperties)
  if (values !== undefined) {
    const refused = propertyNames?.not?.enum ?? []
    const name = fc.array(character, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('')).filter((key) => !refused.includes(key))
    return fc.dictionary(name, arbitrary(values), { maxKeys: 4 })
  }
  const entries = Object.entries(properties).map(([key, schema]) => [key, key === 'color' ? colors : arbitrary(schema)])
  return fc.record(Object.fromEntries(entries) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [...required] })
}

function hasSoundText(value: unknown): boolean {
  const json = JSON.stringify(value)
  return !/\\u(?:0000|d[89a-f])/i.test(json)
}

import type { Tag, TagDraft } from './contract/tag.ts'
import { limits } from './limits.ts'
import { defaultColor, isColor } from './tag-color.ts'
import type { Findings } from './untrusted.ts'
import { isObject, join, readName, textFault } from './untrusted.ts'

const tagKeys: ReadonlySet<string> = new Set(['name', 'color'])

/** HelpCrunch: tags arrive as objects or bare names. Each name once: the last of a name wins, at the first one's place. */
export function readTags(findings: Findings, path: string, value: unknown): TagDraft[] | undefined {
  if (!Array.isArray(value)) return findings.fault(path, 'This value should be of type array.')
  if (value.length > limits.customerTagsMax) {
    return findings.fault(path, `This collection should contain ${limits.customerTagsMax} elements or less.`)
  }
  const tags = new Map<string, TagDraft>()
  for (const [index, item] of value.entries()) {
    const tag = readTag(findings, `${path}[${index}]`, item)
    if (tag !== undefined) tags.set(tag.name, tag)
  }
  return [...tags.values()]
}

function readTag(findings: Findings, path: string, item: unknown): TagDraft | undefined {
  if (typeof item === 'string') {
    const name = readName(findings, path, item)
    return name === undefined ? undefined : { name }
  }
  if (!isObject(item)) return findings.fault(path, 'This value should be of type object.')
  findings.ignoreUnknown(item, tagKeys, path)
  const name = readName(findings, join(path, 'name'), item.name)
  const { color } = item
  if (color === undefined || color === null) return name === undefined ? undefined : { name }
  const colorFault = textFault(color, limits.nameCharactersMax)
  if (colorFault !== undefined) return findings.fault(join(path, 'color'), colorFault)
  if (typeof color !== 'string' || !isColor(color)) return findings.fault(join(path, 'color'), 'This value is not a valid color.')
  return name === undefined ? undefined : { name, color }
}

/** Drafts with the color each tag has after this write. */
export function colorTags(drafts: readonly TagDraft[], colors: ReadonlyMap<string, string>): Tag[] {
  return drafts.map(({ name, color }) => ({ name, color: color ?? colors.get(name) ?? defaultColor }))
}

/** Tags in order of attachment: those already there keep their place, the others follow. */
export function attachTags(before: readonly Tag[], added: readonly Tag[]): Tag[] {
  const tags = new Map(before.map((tag) => [tag.name, tag]))
  for (const tag of added) tags.set(tag.name, tag)
  return [...tags.values()]
}

export function detachTags(before: readonly Tag[], names: ReadonlySet<string>): Tag[] {
  return before.filter(({ name }) => !names.has(name))
}

/** The set of `wanted`, of which those attached before keep their order. */
export function replaceTags(before: readonly Tag[], wanted: readonly Tag[]): Tag[] {
  const names = new Set(wanted.map(({ name }) => name))
  return attachTags(before.filter(({ name }) => names.has(name)), wanted)
}

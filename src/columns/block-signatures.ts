import { grownLength } from './bits.ts'
import type { EncodedText } from './encoded-text.ts'
import { textSeparator } from './encoded-text.ts'
import type { Lying, ScannedProbe } from './text-probe.ts'

/** Rows of a block: with names and addresses about half of the bits of its signature are set. */
export const blockRows = 64
/** Of a signature: it takes two bytes a row. */
const signatureBits = 1_024
const signatureWords = signatureBits / 32
const hashShift = 32 - Math.log2(signatureBits)

/** What of texts is signed: every character, or only digits, for texts that are searched by those. */
export type Signed = 'characters' | 'digits'

/** Bits of a signature, those of some trigrams. */
export type SoughtBits = readonly number[]

/** More of one text tell hardly more. */
const soughtBitsMax = 64

const separatorCode = textSeparator.charCodeAt(0)
const [zero, nine] = [0x30, 0x39]

/**
 * Which three bytes lie side by side in the texts of each 64 rows, with a separator before and behind each text: a Bloom filter by
 * block. Where one of a needle's trigrams is missing, the needle lies nowhere, and the block need not be searched. Of long texts that
 * share little a block has nearly all bits, and tells nothing.
 */
export class BlockSignatures {
  readonly #signed: Signed
  #words = new Uint32Array(0)
  /** Room for those of a text. */
  #bits = new Uint16Array(64)

  constructor(signed: Signed) {
    this.#signed = signed
  }

  get bytes(): number {
    return this.#words.byteLength + this.#bits.byteLength
  }

  /** Signs a text besides what the block has. */
  add(block: number, text: EncodedText): void {
    const first = block * signatureWords
    if (first + signatureWords > this.#words.length) {
      const longer = new Uint32Array(grownLength(first + signatureWords, this.#words.length))
      longer.set(this.#words)
      this.#words = longer
    }
    const words = this.#words
    const count = this.#readBits(text, 'whole')
    for (let place = 0; place < count; place += 1) {
      const bit = this.#bits[place] ?? 0
      words[first + (bit >>> 5)] = (words[first + (bit >>> 5)] ?? 0) | (1 << (bit & 31))
    }
  }

  clear(block: number): void {
    this.#words.fill(0, block * signatureWords, (block + 1) * signatureWords)
  }

  mayHave(block: number, sought: SoughtBits): boolean {
    const first = block * signatureWords
    for (const bit of sought) if ((((this.#words[first + (bit >>> 5)] ?? 0) >>> (bit & 31)) & 1) === 0) return false
    return true
  }

  /** What the block of every text has that the probe accepts. */
  soughtBy(probe: ScannedProbe): SoughtBits {
    const [text, lying] = soughtText(probe)
    const count = probe.kind === 'digits' && this.#signed !== 'digits' ? 0 : this.#readBits(text, lying)
    return [...new Set(this.#bits.subarray(0, count))].slice(0, soughtBitsMax)
  }

  /** The bits of each three bytes side by side, those of the separators at its ends among them; answers how many they are. */
  #readBits(text: EncodedText, lying: Lying): number {
    if (this.#bits.length < text.length) this.#bits = new Uint16Array(2 * text.length)
    const bits = this.#bits
    const isSignedByDigits = this.#signed === 'digits'
    const startsWhole = lying === 'whole' || lying === 'start'
    const end = lying === 'whole' || lying === 'end' ? text.length + 1 : text.length
    let trigram = separatorCode
    let length = startsWhole ? 1 : 0
    let count = 0
    for (let at = 0; at < end; at += 1) {
      const code = at < text.length ? text.charCodeAt(at) : separatorCode
      if (isSignedByDigits && code !== separatorCode && (code < zero || code > nine)) continue
      trigram = ((trigram << 8) | code) & 0xff_ffff
      length += 1
      if (length < 3) continue
      bits[count] = Math.imul(trigram, 0x9e37_79b1) >>> hashShift
      count += 1
    }
    return count
  }
}

/** What lies in every accepted text, and how. */
function soughtText(probe: ScannedProbe): readonly [EncodedText, Lying] {
  switch (probe.kind) {
    case 'filled':
    case 'present': return ['', 'inside']
    case 'inside': return [probe.needle.text, 'inside']
    case 'start':
    case 'end': return [probe.needle, probe.kind]
    case 'digits': return [probe.digits.text, 'inside']
  }
}

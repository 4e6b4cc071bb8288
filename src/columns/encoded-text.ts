/**
 * The UTF-8 bytes of a text, each as one character. Such strings take a byte a character in memory,
 * are searched many bytes at a time, and compare by `<` as the texts do by their code points.
 */
export type EncodedText = string

/** Stands between texts that are kept as one string: a byte that does not occur in UTF-8. */
export const textSeparator = '\xff'

const beyondAscii = /[\u0080-\uffff]/

export function encodeText(text: string): EncodedText {
  return beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}

export function decodeText(encoded: EncodedText): string {
  return beyondAscii.test(encoded) ? Buffer.from(encoded, 'latin1').toString('utf8') : encoded
}

/**
 * The same characters in memory of their own, a byte each. A piece of a longer text keeps all of it
 * alive, and ASCII taken from text beyond it may still have two bytes a character.
 */
export function compactText(encoded: EncodedText): EncodedText {
  return Buffer.from(encoded, 'latin1').toString('latin1')
}

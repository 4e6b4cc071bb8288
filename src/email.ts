const address = /^[^@\p{White_Space}\p{Cc}]+@[^@\p{White_Space}\p{Cc}]+$/u

/** Lenient on purpose: whether an address exists only its mail server can say. */
export function isEmail(text: string): boolean {
  return address.test(text)
}

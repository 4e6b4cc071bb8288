import ipaddr from 'ipaddr.js'
import { limits } from './limits.ts'

/** What is wrong with the URL of a webhook, if anything. What its name resolves to is looked at when something is sent. */
export function targetFault(url: string, { allowsPrivate }: { readonly allowsPrivate: boolean }): string | undefined {
  if (url.length > limits.urlCharactersMax) return `This value is too long. It should have ${limits.urlCharactersMax} characters or less.`
  const target = URL.parse(url)
  if (target === null) return 'This value should be a URL, such as "https://example.com/webhooks".'
  const { protocol, hostname, username, password, hash } = target
  if (protocol !== 'https:' && !(allowsPrivate && protocol === 'http:')) return 'This URL should begin with "https://".'
  if (username !== '' || password !== '') return 'This URL should not hold a user name or a password. Every delivery is signed instead.'
  if (hash !== '') return 'This URL should not have a fragment, which is never sent.'
  if (!allowsPrivate && (isOwnName(hostname) || (isLiteral(hostname) && !isPublicAddress(hostname)))) {
    return 'This URL should lead to the public internet, not to a private or reserved address.'
  }
  return undefined
}

/** Addresses of the public internet that clouds answer the machines in them at, and nobody else. */
const cloudAddresses: readonly string[] = ['168.63.129.16']
/** All that is given out of IPv6 lies in it. What lies outside may embed an address of IPv4. */
const globalUnicast = ipaddr.parseCIDR('2000::/3')

/** Whether an address as text is of the public internet: not private, loopback, link-local, reserved, nor one within another. */
export function isPublicAddress(address: string): boolean {
  const bare = withoutBrackets(address)
  if (!ipaddr.isValid(bare)) return false
  const parsed = ipaddr.parse(bare)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv6' ? parsed.match(globalUnicast) : !cloudAddresses.includes(parsed.toString())
}

/** URLs have turned every odd notation of an address into the common one. */
function isLiteral(hostname: string): boolean {
  return ipaddr.isValid(withoutBrackets(hostname))
}

function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

function isOwnName(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(hostname)
}

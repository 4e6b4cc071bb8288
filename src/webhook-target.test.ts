import { expect, test } from 'vitest'
import { isPublicAddress, targetFault } from './webhook-target.ts'

const guarded = { allowsPrivate: false }

test.each([
  'https://example.com/webhooks', 'https://example.com:8443/a?b=c', 'https://8.8.8.8/', 'https://[2606:4700::1111]/', 'https://localhost.example.com/'
])('%s may be a target', (url) => {
  expect(targetFault(url, guarded)).toBeUndefined()
})

test.each([
  'https://localhost/', 'https://LOCALHOST./', 'https://a.localhost/', 'https://127.0.0.1/', 'https://127.1/', 'https://0x7f.1/', 'https://2130706433/',
  'https://0177.0.0.1/', 'https://127。0。0。1/', 'https://0/', 'https://10.0.0.1/', 'https://172.16.0.1/', 'https://192.168.1.1/', 'https://169.254.169.254/latest',
  'https://100.100.100.200/', 'https://168.63.129.16/', 'https://192.0.0.192/', 'https://198.18.0.1/', 'https://224.0.0.1/', 'https://255.255.255.255/',
  'https://[::1]/', 'https://[::]/', 'https://[::ffff:10.0.0.1]/', 'https://[::ffff:8.8.8.8]/', 'https://[::7f00:1]/', 'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::7f00:1]/', 'https://[2002:7f00:1::]/', 'https://[2001::1]/', 'https://[fe80::1]/', 'https://[fd00:ec2::254]/', 'https://[ff02::1]/'
])('%s is no target, since it does not lead to the public internet', (url) => {
  expect(targetFault(url, guarded)).toBe('This URL should lead to the public internet, not to a private or reserved address.')
  expect(targetFault(url, { allowsPrivate: true })).toBeUndefined()
})

test('what is wrong with a URL is said', () => {
  expect(targetFault('example.com', guarded)).toBe('This value should be a URL, such as "https://example.com/webhooks".')
  expect(targetFault(`https://example.com/${'a'.repeat(8_200)}`, guarded)).toBe('This value is too long. It should have 8192 characters or less.')
  expect(targetFault('http://example.com/', guarded)).toBe('This URL should begin with "https://".')
  expect(targetFault('ftp://example.com/', { allowsPrivate: true })).toBe('This URL should begin with "https://".')
  expect(targetFault('https://ann:secret@example.com/', guarded)).toBe('This URL should not hold a user name or a password. Every delivery is signed instead.')
  expect(targetFault('https://example.com/#top', guarded)).toBe('This URL should not have a fragment, which is never sent.')
  expect(targetFault('http://127.0.0.1:8080/', { allowsPrivate: true })).toBeUndefined()
})

test('what is no address is not public', () => {
  expect(['', 'example.com', '8.8.8.8.8', '[8.8.8.8'].map(isPublicAddress)).toEqual([false, false, false, false])
})

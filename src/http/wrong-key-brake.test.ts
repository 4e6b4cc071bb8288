import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'
import { WrongKeyBrake } from './wrong-key-brake.ts'

/** Far more wrong keys than are free, so that the delay is its longest and no test can outlast it. */
const many = limits.wrongKeysFreePerMinute + 20

function openBrake(): WrongKeyBrake {
  const brake = new WrongKeyBrake()
  onTestFinished(() => { brake.close() })
  return brake
}

function sendWrongKeys(brake: WrongKeyBrake, { address, count, nowMs }: { address: string; count: number; nowMs: number }): void {
  for (let sent = 0; sent < count; sent += 1) void brake.hold(address, nowMs)
}

async function isHeld(holding: Promise<void>): Promise<boolean> {
  return await Promise.race([holding.then(() => false), turn(true)])
}

test('the first wrong keys of a minute are not held up', async () => {
  const brake = openBrake()
  const answers = Array.from({ length: limits.wrongKeysFreePerMinute }, () => isHeld(brake.hold('192.0.2.1', 0)))

  expect(await Promise.all(answers)).toEqual(answers.map(() => false))
})

test('those that follow are, and other addresses are not', async () => {
  const brake = openBrake()
  sendWrongKeys(brake, { address: '192.0.2.1', count: many, nowMs: 0 })

  expect(await isHeld(brake.hold('192.0.2.1', 59_999))).toBe(true)
  expect(await isHeld(brake.hold('192.0.2.2', 59_999))).toBe(false)
})

test('an address is forgiven a minute after the first of its wrong keys', async () => {
  const brake = openBrake()
  sendWrongKeys(brake, { address: '192.0.2.1', count: many, nowMs: 0 })

  expect(await isHeld(brake.hold('192.0.2.1', 60_000))).toBe(false)
})

test('closing lets go of those held, and holds nobody any more', async () => {
  const brake = openBrake()
  sendWrongKeys(brake, { address: '192.0.2.1', count: many, nowMs: 0 })
  const held = brake.hold('192.0.2.1', 0)
  brake.close()

  expect(await Promise.all([held, brake.hold('192.0.2.1', 0)])).toEqual([undefined, undefined])
})

test('when too many are held the next is refused at once', async () => {
  const brake = openBrake()
  sendWrongKeys(brake, { address: '192.0.2.1', count: limits.wrongKeysFreePerMinute + limits.wrongKeyDelayedMax, nowMs: 0 })
  const error: unknown = await brake.hold('192.0.2.1', 0).catch((reason: unknown) => reason)

  expect(error).toEqual(new ApiError('too_many_requests', 'Too many requests', { retryAfterSeconds: limits.wrongKeyDelaySecondsMax }))
})

test('remembers so many addresses and forgets the one that was quiet the longest', async () => {
  const brake = openBrake()
  sendWrongKeys(brake, { address: 'busy', count: many, nowMs: 0 })
  sendWrongKeys(brake, { address: 'quiet', count: many, nowMs: 0 })
  sendWrongKeys(brake, { address: 'busy', count: 1, nowMs: 0 })
  for (let index = 0; index < limits.wrongKeyAddressesMax - 1; index += 1) void brake.hold(`address ${index}`, 0)

  expect(await isHeld(brake.hold('busy', 0))).toBe(true)
  expect(await isHeld(brake.hold('quiet', 0))).toBe(false)
})

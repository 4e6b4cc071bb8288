import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { askNameServers, hostLookup, sharedLookup } from './host-lookup.ts'

const typeA = 1

/** A name server that knows good.test and missing.test, and is silent about every other name. Resolves to its address. */
async function startNameServer(): Promise<string> {
  const server = createSocket('udp4')
  onTestFinished(() => { server.close() })
  server.on('message', (query, { port, address }) => {
    // A header of 12 bytes, then the question: labels behind their lengths, an empty one, type and class.
    const end = query.indexOf(0, 12)
    const label = query.subarray(13, 13 + query.readUInt8(12)).toString('latin1')
    if (label !== 'good' && label !== 'missing') return
    const isFound = label === 'good' && query.readUInt16BE(end + 1) === typeA
    const answer = isFound ? [0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7] : []
    const header = [0x81, label === 'missing' ? 0x83 : 0x80, 0, 1, 0, isFound ? 1 : 0, 0, 0, 0, 0]
    server.send(Buffer.concat([query.subarray(0, 2), Buffer.from(header), query.subarray(12, end + 5), Buffer.from(answer)]), port, address)
  })
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${server.address().port}`
}

test('a name is found while name servers are silent about many others', async () => {
  const servers = [await startNameServer()]
  const timeoutMs = 500
  const silent = Promise.allSettled(Array.from({ length: 50 }, async (_, index) => await askNameServers(`silent${index}.test`, { servers, timeoutMs })))
  const first = await Promise.race([silent, askNameServers('good.test', { servers, timeoutMs })])
  expect(first).toEqual([{ address: '192.0.2.7', family: 4 }])
  expect(await silent).toEqual(Array.from({ length: 50 }, () => ({ status: 'rejected', reason: expect.objectContaining({ code: 'EAI_AGAIN' }) as unknown })))
})

test('a name that does not exist is told apart from one that is not known just now', async () => {
  const servers = [await startNameServer()]
  await expect(askNameServers('missing.test', { servers })).rejects.toMatchObject({ code: 'ENOTFOUND' })
  const gone = createSocket('udp4').bind(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address()
  gone.close()
  await expect(askNameServers('good.test', { servers: [`127.0.0.1:${port}`], timeoutMs: 250 })).rejects.toMatchObject({ code: 'EAI_AGAIN' })
})

test('lookups of one name at the same time are one, and the next is another', async () => {
  const asked: string[] = []
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const look = sharedLookup(async (hostname) => {
    asked.push(hostname)
    await promise
    if (hostname === 'bad') throw new Error('bad')
    return [{ address: `of ${hostname}`, family: 4 }]
  })
  const answers = Promise.allSettled(['a', 'bad', 'a', 'bad'].map(async (hostname) => await look(hostname)))
  expect(asked).toEqual(['a', 'bad'])
  resolve(undefined)
  expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
  expect(await look('a')).toEqual([{ address: 'of a', family: 4 }])
  expect(asked).toEqual(['a', 'bad', 'a'])
})

test('in a private network the names of the system are known', async () => {
  expect((await hostLookup({ allowsPrivate: true })('localhost')).map(({ address }) => address)).toEqual(expect.arrayContaining([expect.stringMatching(/^(127\.0\.0\.1|::1)$/)]))
})

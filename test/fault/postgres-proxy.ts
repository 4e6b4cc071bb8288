import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

/** What becomes of the next commit that a server sends together with rows: that of a command. */
type Plan =
  /** It reaches the database, whose answer does not come back. */
  | 'lose the answer'
  /** Likewise, and nobody gets through any more. */
  | 'lose the answer for good'
  /** It does not reach the database, and both sides see the connection end. */
  | 'lose the commit'
  /** It does not reach the database, which goes on waiting for it until told otherwise, while the server sees the connection end. */
  | 'keep the transaction open'
  /** It is kept, and nobody is told anything. */
  | 'hold the commit'

export interface PostgresProxy {
  readonly url: string
  /** Commits that met the plan of their time. */
  readonly metCommits: number
  /** How often it was asked what became of a transaction. */
  readonly statusQuestions: number
  plan(plan: Plan): void
  /** Ends what is held or kept open. */
  letGo(): void
}

const commit = Buffer.from('commit\0')
const insertion = Buffer.from('insert into')
/** The answer to a commit. */
const committed = Buffer.from('COMMIT\0')
const question = Buffer.from('pg_xact_status')

/** Stands between a server and its database. */
export async function startProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl)
  const open = new Set<Socket>()
  let planned: Plan | undefined
  let isRefusing = false
  let [metCommits, statusQuestions] = [0, 0]
  let kept: Socket[] = []
  const refuseAll = (): void => {
    isRefusing = true
    for (const socket of open) socket.destroy()
  }

  const listener = createServer((client) => {
    const database = connect(Number(target.port), target.hostname)
    for (const socket of [client, database]) {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      // A connection that is cut is what this is for.
      socket.on('error', () => undefined)
    }
    if (isRefusing) {
      client.destroy()
      database.destroy()
      return
    }
    let isKept = false
    let lost: Plan | undefined
    // What a server sends together may arrive in parts, cut anywhere.
    let [tail, hasInserted] = [Buffer.alloc(0), false]
    client.on('close', () => { if (!isKept) database.destroy() })
    database.on('close', () => { if (!isKept) client.destroy() })
    database.on('data', (data) => {
      if (lost === undefined) {
        client.write(data)
      } else if (data.includes(committed)) {
        if (lost === 'lose the answer for good') refuseAll()
        client.destroy()
      }
    })
    client.on('data', (data) => {
      const text = Buffer.concat([tail, data])
      const hasCommit = text.includes(commit)
      tail = hasCommit ? Buffer.alloc(0) : text.subarray(1 - question.length)
      if (text.includes(question)) statusQuestions += 1
      hasInserted ||= text.includes(insertion)
      if (planned === undefined || !hasCommit || !hasInserted) {
        if (hasCommit) hasInserted = false
        database.write(data)
        return
      }
      const plan = planned
      planned = undefined
      metCommits += 1
      if (plan === 'lose the answer' || plan === 'lose the answer for good') {
        lost = plan
        database.write(data)
      } else if (plan === 'lose the commit') {
        client.destroy()
      } else {
        isKept = true
        kept.push(plan === 'hold the commit' ? client : database)
        // Without the commit and the byte and length ahead of it.
        database.write(data.subarray(0, Math.max(0, data.length - (text.length - text.indexOf(commit)) - 5)))
        if (plan === 'keep the transaction open') client.destroy()
      }
    })
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    listener.close()
  })

  const url = new URL(databaseUrl)
  url.port = String(port)
  return {
    url: url.href,
    get metCommits() { return metCommits },
    get statusQuestions() { return statusQuestions },
    plan(plan) { planned = plan },
    letGo() {
      for (const socket of kept) socket.destroy()
      kept = []
    }
  }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { keep } from './child.ts'

/** The server as anyone starts it, a process of its own with its log in a file. */
export interface Server {
  readonly url: string
  readonly pid: number
  scrape(): Promise<Scrape>
  /** Stops it as a supervisor does. */
  stop(): Promise<void>
}

export interface Scrape {
  readonly customers: number
  readonly commits: number
  readonly commandsCommitted: number
  /** 99.9 % of the pauses of the event loop since the last scrape were shorter. */
  readonly eventLoopP999Milliseconds: number
}

export async function startServer(
  { database, logPath, flags = [] }: { /** Its URL. */ database: string; logPath: string; flags?: readonly string[] }
): Promise<Server> {
  const main = fileURLToPath(new URL('../bin/clientele.js', import.meta.url))
  const log = openSync(logPath, 'w')
  const server = spawn(process.execPath, [main, 'serve', '--database', database, '--port', '0', '--json', ...flags], {
    stdio: ['ignore', 'pipe', log],
    // Out of reach of a terminal's Ctrl-C, so that it is the bench that ends it.
    detached: true
  })
  closeSync(log)
  keep(server)
  const { pid, stdout } = server
  if (pid === undefined || stdout === null) throw new Error('The server did not start')
  const lost = once(server, 'exit').then(() => { throw new Error(`The server ended before it listened: ${readFileSync(logPath, 'utf8')}`) })
  const [line] = await Promise.race([once(createInterface(stdout), 'line'), lost]) as [string]
  lost.catch(() => undefined)
  const { url } = JSON.parse(line) as { url: string }
  return {
    url,
    pid,
    async stop() {
      server.kill('SIGTERM')
      await once(server, 'exit')
    },
    async scrape() {
      const response = await fetch(`${url}/metrics`)
      if (!response.ok) throw new Error(`/metrics was answered ${response.status}`)
      const text = await response.text()
      return {
        customers: metric(text, 'clientele_customers'),
        commits: metric(text, 'clientele_commit_commands_count'),
        commandsCommitted: metric(text, 'clientele_commit_commands_sum'),
        eventLoopP999Milliseconds: metric(text, 'clientele_event_loop_delay_p999_seconds') * 1000
      }
    }
  }
}

function metric(text: string, name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  if (line === undefined) throw new Error(`/metrics has no ${name}`)
  return Number(line.slice(name.length + 1))
}

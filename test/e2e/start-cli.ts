import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliAnswer {
  readonly status: number
  /** Parsed when it is JSON. */
  readonly body: unknown
  readonly headers: Headers
}

export interface RunningCli {
  readonly url: string
  /** What it printed at its start; undefined unless this start made the key. */
  readonly key: string | undefined
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<CliAnswer>
  /** The same server, asked with another key. */
  withKey(key: string | undefined): RunningCli
  end(signal: NodeJS.Signals): Promise<Ended>
}

interface RunOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
}

export const root = fileURLToPath(new URL('../../', import.meta.url))
/** The file that Node runs as `clientele`. */
export const entry = join(root, 'bin/clientele.js')


/** Runs a command of the real CLI to its end. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return await outcome(start(process.execPath, [entry, ...args], options))
}

/** Runs a command of the real CLI and sends it a signal as soon as it has said something on stderr. Answers by which it ended. */
export async function interruptCli(args: readonly string[], signal: NodeJS.Signals): Promise<Ended & { signal: NodeJS.Signals | null }> {
  const started = start(process.execPath, [entry, ...args], {})
  started.child.stderr?.once('data', () => { started.child.kill(signal) })
  return { ...await outcome(started), signal: started.child.signalCode }
}

/** Runs any program to its end, with the environment that commands of the CLI get. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return await outcome(start(program, args, options))
}

/** Starts the real service on a free port and waits until it says where it listens. A database is a URL, or a file of SQLite. A program that takes its arguments may stand for it. */
export async function startCli(
  { database, key, args = [], program = entry, ...options }: RunOptions & { database?: string; key?: string; args?: readonly string[]; program?: string }
): Promise<RunningCli> {
  const where = database === undefined ? [] : ['--database', /^(?:sqlite|postgres):/.test(database) ? database : `sqlite:${database}`]
  const started = start(process.execPath, [program, 'serve', '--json', '--port', '0', ...where, ...args], options)
  const { url, key: printed } = JSON.parse(await firstLine(started, /^\{.*\}$/m)) as { url: string; key?: string }
  return describe(started, { url, printed, key: printed ?? key })
}

/** Starts any program that serves, and waits for the line that says where. */
export async function startProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunningCli> {
  const started = start(program, args, options)
  const line = await firstLine(started, /^Clientele listens on .*$/m)
  return describe(started, { url: line.replace('Clientele listens on ', ''), printed: undefined, key: undefined })
}

interface Started {
  readonly child: ChildProcess
  readonly text: { stdout: string; stderr: string }
  readonly closed: Promise<unknown>
}

function start(program: string, args: readonly string[], { env = {}, cwd }: RunOptions): Started {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CLIENTELE_')))
  const child = spawn(program, args, {
    cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what the program started can be ended with it.
    detached: true
  })
  const text = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text.stdout += chunk })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text.stderr += chunk })
  const closed = once(child, 'close')
  onTestFinished(async () => {
    killGroup(child)
    await closed
  })
  return { child, text, closed }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended, and so has all it started.
  }
}

async function outcome({ child, text, closed }: Started): Promise<Ended> {
  await closed
  return { status: child.exitCode, ...text }
}

/** The first line of stdout that fits; throws what the program said instead when it ends without one. */
async function firstLine({ child, text, closed }: Started, pattern: RegExp): Promise<string> {
  const find = (): string | undefined => pattern.exec(text.stdout.slice(0, text.stdout.lastIndexOf('\n') + 1))?.[0]
  return await new Promise((resolve, reject) => {
    const look = (): void => {
      const line = find()
      if (line !== undefined) resolve(line)
    }
    child.stdout?.on('data', look)
    closed.then(() => {
      look()
      reject(new Error(`It ended with ${child.exitCode} before it listened: ${text.stderr}`))
    }, reject)
  })
}

function describe(started: Started, { url, printed, key }: { url: string; printed: string | undefined; key: string | undefined }): RunningCli {
  const { child, text } = started
  return {
    url,
    key: printed,
    child,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    async call(method, path, body, headers = {}) {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const content = await answer.text()
      const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true
      return { status: answer.status, body: isJson ? JSON.parse(content) as unknown : content, headers: answer.headers }
    },
    withKey: (other) => describe(started, { url, printed, key: other }),
    async end(signal) {
      child.kill(signal)
      return await outcome(started)
    }
  }
}

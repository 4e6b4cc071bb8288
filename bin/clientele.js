#!/usr/bin/env node
// Plain JavaScript: it must start even on a Node that is too old for the sources.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const nodeMajorMin = 24
const sources = new URL('../src/cli/main.ts', import.meta.url)
const built = new URL('../dist/cli/main.js', import.meta.url)
// The npm package `node`, a development dependency: `npm ci` in a checkout brings it.
const pinnedNode = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))

// What glibc and V8 read when a process starts; docs/decisions/0019-memory-allocator.md says what a server saves by it.
const isServerOnLinux = process.platform === 'linux' && process.argv[2] === 'serve'
const environment = { ...(isServerOnLinux ? { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_ARENA_MAX: '2' } : {}), ...process.env }
const saysYoungSize = /--max[-_]semi[-_]space[-_]size/.test([...process.execArgv, process.env.NODE_OPTIONS].join(' '))
const flags = isServerOnLinux && !saysYoungSize ? ['--max-semi-space-size=16'] : []
const isComplete = flags.length === 0 && Object.keys(environment).every((name) => name in process.env)
// What a program started anew is called: a loader may take from an environment what it does not trust.
const startedAnew = 'clientele'

if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) {
  // The channel to `node --watch` would be lost, and so would a debugger.
  const isWatched = process.send !== undefined || process.execArgv.some((flag) => flag.startsWith('--inspect'))
  if (!isComplete && !isWatched && process.argv0 !== startedAnew) startAnew()
  // A published package has no sources: Node strips no types below node_modules.
  await import(existsSync(sources) || !existsSync(built) ? sources.href : built.href)
} else if (existsSync(pinnedNode)) {
  runWith(pinnedNode)
} else {
  console.error(
    `clientele needs Node ${nodeMajorMin} or later and this is Node ${process.versions.node}: ` +
    `install Node ${nodeMajorMin}, or in a checkout run npm ci, which brings it.`
  )
  process.exitCode = 1
}

function sameArguments() {
  return [...flags, ...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)]
}

/** In place of this program, so that its process id, streams and signals stay what they are. */
function startAnew() {
  try {
    process.execve?.(process.execPath, [startedAnew, ...sameArguments()], environment)
  } catch {
    // Where programs may start no others, this one goes on as it is.
  }
}

/** @param {string} node */
function runWith(node) {
  const child = spawn(node, sameArguments(), { stdio: 'inherit', env: environment })

  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.on('SIGINT', () => {
    // Ctrl-C in a terminal reaches the child by itself; a second one would cut its shutdown short.
    if (!process.stdin.isTTY) child.kill('SIGINT')
  })

  child.on('error', (error) => {
    console.error(`clientele could not start ${node}: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1
      return
    }
    // Dying of the same signal tells the caller what happened.
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

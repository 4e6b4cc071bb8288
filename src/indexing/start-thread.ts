import { setFlagsFromString } from 'node:v8'
import type { ResourceLimits } from 'node:worker_threads'
import { Worker } from 'node:worker_threads'

/** For V8's young generation, of which by itself it makes up to three times as much on a large machine. */
const youngMebibytes = 48

/** The file of a thread beside the module that asks, given as its source: that in a checkout, its JavaScript in a package. */
export function threadBeside(moduleUrl: string, source: string): URL {
  return new URL(new URL(moduleUrl).pathname.endsWith('.ts') ? source : source.replace(/\.ts$/, '.js'), moduleUrl)
}

export function startThread(file: URL, workerData: Record<string, unknown>, resourceLimits: ResourceLimits = {}): Worker {
  // What bin/clientele.js says of the main thread would count for all others, before what they are told themselves.
  setFlagsFromString('--max-semi-space-size=0')
  return new Worker(file, { workerData, resourceLimits: { maxYoungGenerationSizeMb: youngMebibytes, ...resourceLimits } })
}

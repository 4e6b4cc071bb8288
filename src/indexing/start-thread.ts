import type { ResourceLimits } from 'node:worker_threads'
import { Worker } from 'node:worker_threads'

/** The file of a thread beside the module that asks, given as its source: that in a checkout, its JavaScript in a package. */
export function threadBeside(moduleUrl: string, source: string): URL {
  return new URL(new URL(moduleUrl).pathname.endsWith('.ts') ? source : source.replace(/\.ts$/, '.js'), moduleUrl)
}

export function startThread(file: URL, workerData: Record<string, unknown>, resourceLimits: ResourceLimits = {}): Worker {
  return new Worker(file, { workerData, resourceLimits })
}

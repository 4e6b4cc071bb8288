import type { ResourceLimits } from 'node:worker_threads'
import { Worker } from 'node:worker_threads'

/** Starts a sibling of this file as a thread: its source in a checkout, its JavaScript in a package. */
export function startThread(name: string, workerData: Record<string, unknown>, resourceLimits: ResourceLimits = {}): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new Worker(new URL(`./${name}.${extension}`, import.meta.url), { workerData, resourceLimits })
}

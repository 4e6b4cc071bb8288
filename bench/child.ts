import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

type Reply<Answer> = { readonly answer: Answer } | { readonly error: string }

/** A process of the bench that answers one question at a time. */
export interface Child<Question, Answer> {
  readonly pid: number
  ask(question: Question): Promise<Answer>
  end(): void
}

const running = new Set<ChildProcess>()

export function startChild<Question extends object, Answer>(name: string): Child<Question, Answer> {
  const child = fork(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  keep(child)
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} did not start`)
  return {
    pid,
    ask: (question) => new Promise((resolve, reject) => {
      const lost = (): void => { reject(new Error(`${name} ended before it answered`)) }
      child.once('exit', lost)
      child.once('message', (reply: Reply<Answer>) => {
        child.off('exit', lost)
        if ('error' in reply) reject(new Error(reply.error))
        else resolve(reply.answer)
      })
      child.send(question)
    }),
    end: () => { child.kill('SIGKILL') }
  }
}

/** The other side: what a child does with each question. */
export function answerParent<Question, Answer>(answer: (question: Question) => Answer | Promise<Answer>): void {
  process.on('message', (question: Question) => {
    void replyTo(question)
  })
  const replyTo = async (question: Question): Promise<void> => {
    try {
      process.send?.({ answer: await answer(question) })
    } catch (error) {
      process.send?.({ error: error instanceof Error ? error.stack ?? error.message : String(error) })
    }
  }
  // The parent is gone, however that came about.
  process.on('disconnect', () => { process.exit(1) })
  // A terminal sends it to the whole group; the parent decides when its children end.
  process.on('SIGINT', () => undefined)
}

/** Sees to it that a process does not outlive this one. */
export function keep(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => { running.delete(child) })
}

export function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

import type { DoctorSession } from './doctor-session.ts'
import { allEvents, touchesEvents } from './group-statements.ts'
import { insertRows, setAsInserted } from './insert-rows.ts'
import { organizationsLockKey } from './lock-keys.ts'

/** What a change and the pointer of the feed to it both say. */
export interface Pointer {
  readonly position: number
  readonly organization_id: number
  readonly customer_id: number
  readonly event_id: number | null
}

interface ChangeRow {
  readonly position: number
  readonly organization_id: number
  readonly customer_id: number
  readonly kind: string
  /** Of an event that was recorded; else null. */
  readonly after: string | null
}

const sliceMax = 1_000

const selectChanges = `
  select id as position, organization_id, customer_id, kind, case when kind = 'event.recorded' then after end as after from changes`
const selectPointers = 'select position, organization_id, customer_id, event_id from feed'

/** Walks all changes; answers the pointers that are missing, slice by slice. */
export async function* missingPointers(session: DoctorSession): AsyncGenerator<readonly Pointer[]> {
  let last = { customer_id: Number.MIN_SAFE_INTEGER, position: 0 }
  for (;;) {
    const { changes, missing } = await session.atOneMoment(async () => {
      const some = (await session.rows<ChangeRow>(
        `${selectChanges} where (customer_id, id) > ($1, $2) order by customer_id, id limit $3`, [last.customer_id, last.position, sliceMax])).map(pointerTo)
      return { changes: some, missing: await withoutPointer(session, some) }
    })
    const lacking = await session.lookAgain(missing, ({ length }) => length > 0, async (suspects) => (
      await session.atOneMoment(async () => await withoutPointer(session, await readChanges(session, suspects)))))
    if (lacking.length > 0) yield lacking
    const end = changes.at(-1)
    if (end === undefined || changes.length < sliceMax) return
    last = end
  }
}

/** Walks all pointers; answers those that no change has, likewise. */
export async function* surplusPointers(session: DoctorSession): AsyncGenerator<readonly Pointer[]> {
  let last = Number.MIN_SAFE_INTEGER
  for (;;) {
    const { pointers, wrong } = await session.atOneMoment(async () => {
      const some = await session.rows<Pointer>(`${selectPointers} where position > $1 order by position limit $2`, [last, sliceMax])
      return { pointers: some, wrong: await withoutChange(session, some) }
    })
    const surplus = await session.lookAgain(wrong, ({ length }) => length > 0, async (suspects) => (
      await session.atOneMoment(async () => await withoutChange(session, await readPointers(session, suspects)))))
    if (surplus.length > 0) yield surplus
    const end = pointers.at(-1)
    if (end === undefined || pointers.length < sliceMax) return
    last = end.position
  }
}

/** Makes pointers that `missingPointers` has found. One of another content keeps its place in the feed, so that no reader gets its change twice. Nobody purges meanwhile. */
export async function makePointers(session: DoctorSession, changes: readonly Pointer[]): Promise<void> {
  await session.change(async () => {
    await session.rows('select pg_advisory_xact_lock($1)', [organizationsLockKey])
    const missing = await withoutPointer(session, await readChanges(session, changes))
    const rows = missing.map(({ position, organization_id, customer_id, event_id }) => ({ position, organization_id, customer_id, event_id }))
    const [first] = rows
    if (first === undefined) return
    await session.run(insertRows('feed', rows, `on conflict (position) do update set ${setAsInserted(first, ['position'])}`))
    // An event that a server knows by a pointer that was there would come to it twice.
    await forgetInMemory(session)
  })
}

/** Removes pointers that `surplusPointers` has found, after those of another content were made right. */
export async function removePointers(session: DoctorSession, pointers: readonly Pointer[]): Promise<void> {
  await session.change(async () => {
    await session.rows('select pg_advisory_xact_lock($1)', [organizationsLockKey])
    const surplus = await withoutChange(session, pointers)
    await session.run([{ text: 'delete from feed where position = any($1)', values: [surplus.map(({ position }) => position)] }])
  })
}

/**
 * Has servers forget what they hold in memory of customers, and read it again, as they do when pointers were purged that they
 * have not seen. Pointers to the customers mended would say too little: an event that is gone has none, and one that is
 * without a change is wrong itself.
 */
export async function forgetInMemory(session: DoctorSession): Promise<void> {
  await session.rows('update purges set xid = greatest(xid, pg_current_xact_id())')
}

/** Those to which the feed has no pointer, read after them. */
async function withoutPointer(session: DoctorSession, changes: readonly Pointer[]): Promise<Pointer[]> {
  if (changes.length === 0) return []
  const there = new Set((await readPointers(session, changes)).map(keyOf))
  return changes.filter((change) => !there.has(keyOf(change)))
}

/** Those of which there is no change, read after them. */
async function withoutChange(session: DoctorSession, pointers: readonly Pointer[]): Promise<Pointer[]> {
  const there = new Set((await readChanges(session, pointers)).map(keyOf))
  return pointers.filter((pointer) => !there.has(keyOf(pointer)))
}

/** What the feed has at these positions now. */
async function readPointers(session: DoctorSession, pointers: readonly Pointer[]): Promise<Pointer[]> {
  return await session.rows<Pointer>(`${selectPointers} where position = any($1)`, [pointers.map(({ position }) => position)])
}

/** What the changes of these positions and customers say now. */
async function readChanges(session: DoctorSession, pointers: readonly Pointer[]): Promise<Pointer[]> {
  if (pointers.length === 0) return []
  const rows = await session.rows<ChangeRow>(`${selectChanges} where customer_id = any($1) and id = any($2)`,
    [[...new Set(pointers.map(({ customer_id }) => customer_id))], pointers.map(({ position }) => position)])
  return rows.map(pointerTo)
}

function pointerTo({ kind, after, ...change }: ChangeRow): Pointer {
  return { ...change, event_id: touchesEvents(kind) ? allEvents : eventOf(after) }
}

function eventOf(after: string | null): number | null {
  if (after === null) return null
  try {
    const { event } = JSON.parse(after) as { event?: unknown }
    return typeof event === 'number' ? event : null
  } catch {
    return null
  }
}

function keyOf({ position, organization_id, customer_id, event_id }: Pointer): string {
  return [position, organization_id, customer_id, event_id].join()
}

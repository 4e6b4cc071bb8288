/** What processes on one database lock against each other, as advisory locks; "Cltl" in ASCII and upwards. */

/** What those who make or recolor tags, or make attributes, lock until they commit, so that others learn of all by the highest number. */
export const namesLockKey = 0x436c746d

/** What those who make organizations lock, so that a first one is made once; and who purges changes. */
export const organizationsLockKey = 0x436c746e

/** With a number made of an Idempotency-Key: what a request with it locks until what came of it is kept. */
export const outcomeLockClass = 0x436c7471

/** What a doctor locks who mends. */
export const doctorLockKey = 0x436c7470

/** What an undo locks, together with its organization, so that two never restore one customer: a customer who is gone has no row to lock. */
export const undoLockKey = 0x436c7475

/** By what two answers with one customer differ. */
export interface Revision {
  /** Of the customer itself: the id of the change that left it so, which grows even if it is deleted and restored. */
  readonly version: number
  /** Of the tags of its organization, which a recoloring changes on every customer. */
  readonly tagsVersion: number
}

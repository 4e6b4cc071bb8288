/** In the order in which they are documented. Apart from the shapes, whose package threads that only store would load too. */
export const changeKinds = [
  'customer.created', 'customer.updated', 'customer.deleted', 'customer.restored', 'event.recorded', 'event.deleted', 'tag.updated'
] as const

/** The channels that have a field for their ids. */
export const channels = ['telegram', 'facebook', 'instagram', 'viber', 'whatsapp'] as const
export type Channel = (typeof channels)[number]

/** What createdFrom begins with when it names a variant of a channel. */
export function channelPrefix(channel: Channel): string {
  return `${channel}_`
}

/** HelpCrunch: an id of a channel is the integrationId of customers from it, `telegram_bot` included. */
export function isFromChannel(createdFrom: string, channel: Channel): boolean {
  return createdFrom === channel || createdFrom.startsWith(channelPrefix(channel))
}

import { below, pick, seededRandom } from './random.ts'

/** The body that creates a customer. */
export interface SampleDraft {
  readonly name: string
  readonly email: string
  readonly userId: string
  readonly tags: readonly { readonly name: string }[]
  readonly customData: Record<string, string | number | boolean>
  readonly [field: string]: unknown
}

const firstNames = [
  'Anna', 'Ben', 'Chloé', 'David', 'Elena', 'Félix', 'Grace', 'Hannes', 'Ines', 'James', 'Kateryna', 'Liam', 'María', 'Noah',
  'Olivia', 'Paul', 'Quentin', 'Rosa', 'Sofia', 'Thomas', 'Uwe', 'Victor', 'Wei', 'Xenia', 'Yusuf', 'Zoë', 'Joanna', 'Mark'
] as const
const lastNames = [
  'Adams', 'Brown', 'Costa', 'Dubois', 'Evans', 'Fernández', 'Garcia', 'Hansen', 'Ivanov', 'Jones', 'Kowalski', 'Lopez', 'Müller',
  'Nguyen', 'Olsen', 'Peterson', 'Quinn', 'Rossi', 'Silva', 'Taylor', 'Ueda', 'Varga', 'Weber', 'Xu', 'Young', 'Zimmermann'
] as const
const mailHosts = ['gmail.com', 'outlook.com', 'yahoo.com', 'icloud.com', 'proton.me', 'example.com', 'example.org'] as const
const companyEndings = ['Ltd', 'GmbH', 'Inc', 'SA', 'Studio', 'Partners', 'Labs'] as const
const places = [
  { countryCode: 'US', regionCode: 'CA', city: 'San Francisco', timezone: 'America/Los_Angeles', locale: 'en-US' },
  { countryCode: 'DE', regionCode: 'BE', city: 'Berlin', timezone: 'Europe/Berlin', locale: 'de' },
  { countryCode: 'FR', regionCode: 'IDF', city: 'Paris', timezone: 'Europe/Paris', locale: 'fr' },
  { countryCode: 'UA', regionCode: '30', city: 'Kyiv', timezone: 'Europe/Kyiv', locale: 'uk' },
  { countryCode: 'BR', regionCode: 'SP', city: 'São Paulo', timezone: 'America/Sao_Paulo', locale: 'pt_BR' },
  { countryCode: 'GB', regionCode: 'ENG', city: 'London', timezone: 'Europe/London', locale: 'en-GB' }
] as const
const agents = [
  { platform: 'desktop', userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36' },
  { platform: 'desktop', userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15' },
  { platform: 'mobile', userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148' }
] as const
const channels = ['web', 'web', 'web', 'iOS', 'android', 'telegram'] as const
const pages = ['pricing', 'features', 'docs/getting-started', 'blog/2026/how-we-answer-faster', 'account/billing', 'contact'] as const

export const tagNames = [
  'Lead', 'VIP', 'Trial', 'Paying', 'Churned', 'Newsletter', 'Partner', 'Beta', 'Enterprise', 'Student', 'Reseller', 'Press',
  'Support', 'Urgent', 'Follow-up', 'Demo', 'Webinar', 'Referral', 'Refunded', 'Annual'
] as const

/** The attributes every sample has: five, of three types. */
function sampleAttributes(random: () => number): SampleDraft['customData'] {
  return {
    plan: pick(random, ['free', 'basic', 'pro', 'business', 'enterprise']),
    number_of_payments: below(random, 60),
    monthly_revenue: below(random, 50_000) / 100,
    is_trial: random() < 0.2,
    industry: pick(random, ['retail', 'software', 'health', 'education', 'travel', 'finance', 'media', 'logistics'])
  }
}

const latestSeen = 1_790_000_000
const secondsADay = 86_400

/** The customer of a number, always the same. */
export function sampleDraft(number: number): SampleDraft {
  const random = seededRandom(number)
  const place = pick(random, places)
  const agent = pick(random, agents)
  const firstName = pick(random, firstNames)
  const lastName = pick(random, lastNames)
  const firstSeen = latestSeen - below(random, 3 * 365 * secondsADay)
  const firstTag = below(random, tagNames.length)
  const secondTag = (firstTag + 1 + below(random, tagNames.length - 1)) % tagNames.length
  const page = `https://www.example.com/${pick(random, pages)}`
  return {
    name: `${firstName} ${lastName}`,
    email: sampleEmail(number),
    userId: `user-${number}`,
    company: `${lastName} ${pick(random, companyEndings)}`,
    phone: `+${10 + below(random, 80)} ${100 + below(random, 900)} ${1_000_000 + below(random, 9_000_000)}`,
    firstSeen,
    lastSeen: firstSeen + below(random, latestSeen - firstSeen + 1),
    location: { countryCode: place.countryCode, regionCode: place.regionCode, city: place.city },
    device: { ip: `10.${below(random, 256)}.${below(random, 256)}.${below(random, 256)}`, timezone: place.timezone, ...agent },
    unsubscribed: random() < 0.1,
    source: 'https://www.google.com/search?q=customer+messaging',
    referer: 'https://www.google.com/',
    lastPage: `${page}?utm_source=google&utm_campaign=${below(random, 1000)}`,
    locale: place.locale,
    createdFrom: pick(random, channels),
    tags: [firstTag, secondTag].flatMap((index) => tagNames.slice(index, index + 1)).map((name) => ({ name })),
    customData: sampleAttributes(random)
  }
}

export function sampleEmail(number: number): string {
  const random = seededRandom(number ^ 0x5bd1e995)
  const plain = (name: string): string => name.normalize('NFD').replace(/[^A-Za-z]/g, '').toLowerCase()
  return `${plain(pick(random, firstNames))}.${plain(pick(random, lastNames))}${number}@${pick(random, mailHosts)}`
}

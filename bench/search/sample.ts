import { below, pick, seededRandom } from '../random.ts'

/** Customers whose values are as unevenly spread as those of a real business. */

export interface SearchSample {
  /** The body that creates the customer. */
  readonly draft: Record<string, unknown>
  readonly events: readonly SampleEvent[]
}

interface SampleEvent {
  readonly name: string
  readonly createdAt: number
  readonly data: Record<string, string | number>
}

export const oldestSeen = 1_630_000_000
export const latestSeen = 1_790_000_000

/** Picks earlier items more often: the one at place n with a weight of 1 / n^steepness. */
function unevenly<Item>(items: readonly Item[], steepness = 1): (random: () => number) => Item {
  const ends: number[] = []
  let sum = 0
  for (let place = 1; place <= items.length; place += 1) {
    sum += place ** -steepness
    ends.push(sum)
  }
  return (random) => {
    const at = random() * sum
    const item = items[ends.findIndex((end) => at < end)] ?? items[0]
    if (item === undefined) throw new Error('There is nothing to pick from')
    return item
  }
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}

const scripts = {
  latin: {
    first: unevenly(words(`Anna Maria James Elena David Sofia Thomas Laura Michael Julia Daniel Emma Paul Chloé Robert Inês Mark Zoë Lukas Hannah
      Félix Olivia Jan Marta Peter Clara Hugo Alice Martin Nora Victor Ines Oscar Lena Simon Agnès Bruno Eva Marco Joanna Quentin Wendy Xavier Yvonne`), 0.7),
    last: unevenly(words(`Smith Müller García Martin Silva Rossi Johnson Brown Novak Nguyen Weber Dubois Jones Costa Fernández Kowalski Hansen Schmidt
      Lopez Williams Andersson Moreau Ricci Santos Fischer Taylor Nielsen Horvat Jansen Bianchi Davis O'Brien Larsen Wagner Petit Ferrari Evans Berg`), 0.8)
  },
  cyrillic: {
    first: unevenly(words('Иван Олена Мария Андрій Наталія Сергей Дмитро Ольга Алексей Юлія Богдан Ирина Тарас Світлана Николай Ганна'), 0.7),
    last: unevenly(words('Шевченко Иванов Бондаренко Петров Коваленко Кравченко Смирнов Мельник Ткаченко Кузнецов Олійник Поліщук Соколов Лысенко Гончар'), 0.7)
  },
  greek: {
    first: unevenly(words('Γιώργος Μαρία Δημήτρης Ελένη Νίκος Κατερίνα Κώστας Σοφία Θανάσης'), 0.7),
    last: unevenly(words('Παπαδόπουλος Παππάς Γεωργίου Βασιλείου Αντωνίου Νικολάου Οικονόμου Μακρής'), 0.7)
  },
  arabic: {
    first: unevenly(words('محمد فاطمة أحمد عائشة علي مريم حسن ليلى عمر نور'), 0.7),
    last: unevenly(words('العلي حسين الحسن إبراهيم خليل منصور الأحمد سالم'), 0.7)
  }
} as const
const hanSurnames = unevenly('王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗'.split(''), 0.7)
const hanGiven = '伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华文玉'.split('')
const syllables = words('bar den kov lin mar nes or pel ros sta tor vin wick zan hol gre fer dal cor bel ash mont ver quil')

const mailHosts = unevenly(words(`gmail.com yahoo.com outlook.com hotmail.com icloud.com web.de gmx.net mail.ru ukr.net orange.fr proton.me libero.it
  aol.com live.com free.fr wp.pl seznam.cz qq.com 163.com naver.com t-online.de comcast.net bluewin.ch telenet.be uol.com.br rambler.ru
  example.com example.org example.net tutanota.com`))
const companyWords = words('River Blue North Summit Bright Stone Harbor Green Silver Oak Nova Pixel Cloud Delta Iron Maple Lunar Coral Falcon Ember')
const companyKinds = words('Logistics Studio Software Foods Travel Media Health Energy Textiles Robotics Consulting Bakery Motors Labs')
const companyForms = unevenly(words('Ltd GmbH Inc LLC SA Oy ApS ТОВ'))

interface Place {
  readonly countryCode: string
  readonly regionCode: string
  readonly city: string
  readonly timezone: string
  readonly locale: string
}
const places: Place[] = `US CA San_Francisco America/Los_Angeles en-US|US NY New_York America/New_York en-US|DE BE Berlin Europe/Berlin de
  GB ENG London Europe/London en-GB|UA 30 Kyiv Europe/Kyiv uk|FR IDF Paris Europe/Paris fr|BR SP São_Paulo America/Sao_Paulo pt_BR
  IN MH Mumbai Asia/Kolkata en-IN|US TX Austin America/Chicago en-US|ES MD Madrid Europe/Madrid es|PL MZ Warszawa Europe/Warsaw pl
  IT 62 Roma Europe/Rome it|CA ON Toronto America/Toronto en-CA|NL NH Amsterdam Europe/Amsterdam nl|DE BY München Europe/Berlin de
  CN 31 上海 Asia/Shanghai zh-CN|JP 13 Tokyo Asia/Tokyo ja|AU NSW Sydney Australia/Sydney en-AU|MX CMX México America/Mexico_City es-MX
  TR 34 İstanbul Europe/Istanbul tr|GR I Αθήνα Europe/Athens el|SE AB Stockholm Europe/Stockholm sv|EG C القاهرة Africa/Cairo ar
  PT 11 Lisboa Europe/Lisbon pt|AR C Buenos_Aires America/Argentina/Buenos_Aires es-AR|CZ 10 Praha Europe/Prague cs
  NO 03 Oslo Europe/Oslo nb|FI 18 Helsinki Europe/Helsinki fi|UA 46 Львів Europe/Kyiv uk|ZA GP Johannesburg Africa/Johannesburg en-ZA
  KE 30 Nairobi Africa/Nairobi en-KE|IE D Dublin Europe/Dublin en-IE|NZ AUK Auckland Pacific/Auckland en-NZ|IS 1 Reykjavík Atlantic/Reykjavik is
  EE 37 Tallinn Europe/Tallinn et|MT 60 Valletta Europe/Malta mt`
  .split(/[|\n]/).map((line) => {
    const [countryCode = '', regionCode = '', city = '', timezone = '', locale = ''] = words(line)
    return { countryCode, regionCode, city: city.replaceAll('_', ' '), timezone, locale }
  })
const pickPlace = unevenly(places, 1.1)

const agents = [
  { platform: 'desktop', userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36' },
  { platform: 'mobile', userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148' }
] as const
const channels = unevenly(words('web iOS android telegram_bot facebook whatsapp viber instagram'), 1.4)
const pages = unevenly(words('pricing features docs/getting-started blog/how-we-answer-faster account/billing contact careers status'))
const referers = unevenly(words(`https://www.google.com/ https://www.facebook.com/ https://www.bing.com/ https://t.co/ https://duckduckgo.com/
  https://news.ycombinator.com/ https://partner.example.net/offers`))
const campaigns = unevenly(['brand', 'autumn-sale', 'newsletter', 'retarget', 'webinar', 'partner-42'])
const notePhrases = [
  'Asked for a refund in the spring.', 'Prefers to be called after five.', 'Speaks French and a little German.', 'Moved to the yearly plan.',
  'Waiting for the signed contract.', 'Complained about the mobile app.', 'Met at the trade fair in Lisbon.', 'Introduced by a partner.',
  'Wants an invoice with the purchase order on it.', 'Needs a data processing agreement.', 'Tried the import twice; it stopped at row 900.'
]

/** From one that four in ten have, down to the last, which a single customer has. */
export const tagNames = Array.from({ length: 200 }, (_, index) =>
  index < 12
    ? words('Lead Newsletter Trial Paying Churned VIP Partner Beta Enterprise Student Reseller Press')[index] ?? ''
    : index === 199 ? 'Unique' : `Group ${String(index + 1).padStart(3, '0')}`)
const tagShares = tagNames.map((_, index) => 0.4 * (index + 1) ** -1.5)
const customerWithUniqueTag = 4_321

const pickEvent = unevenly([
  'Page viewed', 'Invoice paid', 'Order placed', 'File downloaded', 'Plan changed', 'Invoice sent', 'Demo booked', 'Seat added', 'Export made',
  'Order returned', 'Refund asked', 'Account closed'
], 1.2)
const plans = unevenly(words('free basic pro business enterprise'))
const industries = unevenly(words('retail software health education travel finance media logistics hardware farming law sports'), 0.6)

export function searchSample(seed: number, number: number): SearchSample {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b))
  const chance = (share: number): boolean => random() < share
  const maybe = <Value>(share: number, value: () => Value): Value | null => (chance(share) ? value() : null)

  const { name, mailbox } = namesOf(random, number)
  const place = pickPlace(random)
  const channel = maybe(0.95, () => channels(random))
  const hasChannelId = channel !== null && !['web', 'iOS', 'android'].includes(channel)
  const firstSeen = oldestSeen + below(random, latestSeen - oldestSeen)
  const tags = tagNames.filter((tag, index) => (tag === 'Unique' ? number === customerWithUniqueTag : chance(tagShares[index] ?? 0)))
  const referer = maybe(0.7, () => referers(random))
  return {
    draft: {
      name: maybe(0.96, () => name),
      email: maybe(0.93, () => `${mailbox}@${mailHosts(random)}`),
      userId: maybe(0.85, () => `U-${number * 7 + 100_000}`),
      company: maybe(0.6, () => companyOf(random)),
      phone: maybe(0.65, () => phoneOf(random)),
      firstSeen: maybe(0.95, () => firstSeen),
      lastSeen: maybe(0.97, () => firstSeen + below(random, latestSeen - firstSeen + 1)),
      location: maybe(0.9, () => ({ countryCode: place.countryCode, regionCode: place.regionCode, city: place.city })),
      device: maybe(0.5, () => ({
        ip: `10.${below(random, 256)}.${below(random, 256)}.${below(random, 256)}`, timezone: place.timezone, ...pick(random, agents)
      })),
      unsubscribed: chance(0.1),
      blocked: chance(0.01),
      source: maybe(0.6, () => `https://www.google.com/search?q=customer+messaging+${campaigns(random)}`),
      referer,
      lastPage: maybe(0.8, () => `https://www.example.com/${pages(random)}?utm_campaign=${campaigns(random)}&visit=${below(random, 100_000)}`),
      locale: maybe(0.9, () => place.locale),
      createdFrom: channel,
      integrationId: hasChannelId ? String(70_000_000 + number * 13) : null,
      notes: maybe(0.1, () => Array.from({ length: 1 + below(random, 5) }, () => pick(random, notePhrases)).join(' ')),
      tags: tags.map((tag) => ({ name: tag })),
      customData: {
        payments: Math.floor(500 * random() ** 6),
        seats: 1 + Math.floor(1000 * random() ** 3),
        revenue: Math.round(1_000_000 * random() ** 8) / 100,
        is_trial: chance(0.2),
        plan: plans(random),
        industry: industries(random),
        account_code: `AC-${(Math.imul(number, 0x9e3779b1) >>> 0).toString(36).toUpperCase()}`,
        ...chance(0.02) ? { discount: below(random, 60) } : {}
      }
    },
    events: chance(0.1) ? eventsOf(random, firstSeen) : []
  }
}

function namesOf(random: () => number, number: number): { name: string; mailbox: string } {
  const at = random()
  const count = String(number)
  if (at < 0.1) return { name: `${hanSurnames(random)}${pick(random, hanGiven)}${random() < 0.6 ? pick(random, hanGiven) : ''}`, mailbox: `u${count}` }
  const script = at < 0.23 ? 'cyrillic' : at < 0.28 ? 'greek' : at < 0.33 ? 'arabic' : 'latin'
  const first = scripts[script].first(random)
  // A long tail of names that few share.
  const last = script === 'latin' && random() < 0.5
    ? capitalized(Array.from({ length: 3 }, () => pick(random, syllables)).join(''))
    : scripts[script].last(random)
  const plain = `${first}.${last}`.normalize('NFD').replace(/[^A-Za-z.]/g, '').toLowerCase()
  return { name: `${first} ${last}`, mailbox: script === 'latin' ? `${plain}${count}` : `contact${count}` }
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}

function companyOf(random: () => number): string {
  return `${pick(random, companyWords)} ${pick(random, companyWords)} ${pick(random, companyKinds)} ${companyForms(random)}`
}

function phoneOf(random: () => number): string {
  const digits = (count: number): string => String(below(random, 10 ** count)).padStart(count, '0')
  switch (below(random, 5)) {
    case 0: return `+380 ${digits(2)} ${digits(3)}-${digits(2)}-${digits(2)}`
    case 1: return `(${digits(3)}) 555-${digits(4)}`
    case 2: return `0044 20 ${digits(4)} ${digits(4)}`
    case 3: return `+49151${digits(8)}`
    default: return `+1.${digits(3)}.${digits(3)}.${digits(4)}`
  }
}

function eventsOf(random: () => number, firstSeen: number): SampleEvent[] {
  return Array.from({ length: Math.floor(51 * random() ** 2) }, () => ({
    name: pickEvent(random),
    createdAt: firstSeen + below(random, latestSeen - firstSeen + 1),
    data: { amount: below(random, 100_000) / 100, currency: pick(random, ['EUR', 'USD', 'UAH']) }
  }))
}

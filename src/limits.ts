/**
 * Every number that bounds something, with its unit. Each has a row in docs/limits.md.
 * "Characters" are Unicode code points.
 */
export const limits = {
  /** Largest integer a JSON number can carry exactly; ids stay below 2^53. */
  integerMax: Number.MAX_SAFE_INTEGER,
  /** 9999-12-31T23:59:59Z, the last second with a four-digit year. */
  dateSecondsMax: 253_402_300_799,

  emailCharactersMax: 320,
  /** source, referer, lastPage and userAgent. */
  urlCharactersMax: 8_192,
  /** notes and custom data. */
  longTextCharactersMax: 65_535,
  /** Names of tags, attributes, events, organizations and API keys; tag colors. */
  nameCharactersMax: 255,
  /** Every other string of a customer. */
  textCharactersMax: 1_024,

  customerTagsMax: 1_000,
  customerAttributesMax: 500,
  eventDataBytesMax: 65_536,
  bodyBytesMax: 1_048_576,
  bodyLevelsMax: 32,
  batchCustomersMax: 10,
  pageCustomersMax: 100,
  /** With a cursor. */
  walkCustomersMax: 1_000,
  /** Of the lists of our own routes. */
  listItemsDefault: 100,
  listItemsMax: 1_000,
  /** What a page of changes holds at most; and how many are looked at for one that leaves kinds out. */
  changesPageBytesMax: 8_388_608,
  changesScannedMax: 50_000,
  /** Readers of changes as they are made, on one process; what may be on its way to one; how often it hears that the connection lives. */
  streamListenersMax: 2_000,
  streamUnsentBytesMax: 1_048_576,
  streamHeartbeatSeconds: 15,
  /** Filters of a search in all its groups; and likewise groups. */
  searchFiltersMax: 50,
  searchGroupLevelsMax: 5,
  /** Values of one `in`. */
  searchValuesMax: 1_000,
  /** Faults that one answer names; and unknown keys of a search that are compared with those known. */
  faultsMax: 1_000,

  /** Request line and headers together. */
  headerBytesMax: 16_384,
  headerTimeoutSeconds: 10,
  requestTimeoutSeconds: 30,
  idleTimeoutSeconds: 72,
  /** A connection on which nothing moves, an answer under way included. */
  stalledTimeoutSeconds: 120,
  /** Of pages that wait on one connection for its client to read them. */
  unreadPageBytesMax: 33_554_432,
  shutdownSeconds: 10,
  ignoredHeaderBytesMax: 1_024,

  rateLimitPerMinuteMax: 1_000_000,
  /** Wrong keys an address may send in a minute before its answers are delayed. */
  wrongKeysFreePerMinute: 10,
  wrongKeyDelaySecondsMax: 2,
  wrongKeyAddressesMax: 10_000,
  /** Delayed answers held at once; beyond it a wrong key is answered 429. */
  wrongKeyDelayedMax: 1_000,
  keyCacheMax: 10_000,

  /** Commands that share one commit. */
  groupCommandsMax: 128,
  /** Commands waiting for a commit; beyond it 503. */
  writeQueueMax: 10_000,
  /** Searches waiting for their turn, in all and of one API key; beyond it 503. */
  readQueueMax: 1_000,
  readQueueKeyMax: 250,
  /** A search that takes longer is stopped and answered 503. */
  searchSecondsMax: 10,
  /** What a search in memory may take besides, before its thread is taken for hung and ended. */
  searchStopSecondsMax: 5,
  /** Threads that answer searches by SQL. */
  readThreadsMax: 4,
  /** What the index of searches in memory may take; some 300 MiB hold a million customers. */
  searchMemoryMebibytesDefault: 1_024,
  searchMemoryMebibytesMax: 65_536,
  /** An organization that had to make room stays out of the index for so long, or two that do not fit together would be built in turns forever. */
  indexMadeRoomSeconds: 300,
  /** How long the index stays away after its thread ended by itself: at first, and at most, as it is longer each time. */
  indexLostSeconds: 60,
  indexLostSecondsMax: 3_600,
  /** Organizations as large are indexed as the server starts, others when they are first searched. */
  indexedAtStartCustomersMin: 1_000,
  /** How long a write waits for another process's lock before it is answered 503. */
  lockWaitSeconds: 5,
  /** Connections of one process to PostgreSQL. */
  poolSizeDefault: 10,
  poolSizeMax: 1_000,
  /** Citus has no more. */
  shardsMax: 64_000,
  /** How long a request waits for a connection to PostgreSQL before it is answered 503. */
  connectionWaitSeconds: 5,
  /** How often a group of writes is tried that others were in the way of, or whose connection broke. */
  writeAttemptsMax: 8,
  /** How long is asked what became of writes whose commit was not answered, before their requests are answered 503. */
  lostCommitSeconds: 10,
  retryAfterSeconds: 1,
  /** Between attempts to open a database anew that could not be written. */
  reopenIntervalSeconds: 1,
  /** How long a commit of another process, such as a key revoked, may go unnoticed. */
  foreignCommitNoticeMs: 100,
  /** The same for a key, where each look is a question to the database. */
  foreignRevocationNoticeMs: 500,

  idempotencyKeyCharactersMax: 255,
  /** How long what came of a request with an Idempotency-Key is kept. */
  idempotencyKeyHours: 24,
  /** How long a repeat waits for the first request. */
  idempotencyWaitSeconds: 30,

  trashDaysDefault: 30,
  changeDaysDefault: 90,
  changeDaysMax: 36_500,
  /** Webhooks of an organization. */
  webhooksMax: 100,
  /** A secret of its owner's, in the format of HelpCrunch in characters and in that of Standard Webhooks in bytes. */
  helpcrunchSecretCharactersMin: 8,
  helpcrunchSecretCharactersMax: 255,
  standardSecretBytesMin: 24,
  standardSecretBytesMax: 64,
  /** How long the secret before the last rotation is still signed with. */
  previousSecretSeconds: 86_400,
  /** How long a delivery is kept that arrived or was given up. */
  deliveryDays: 30,
  /** Changes of one request that can be taken back together. */
  requestUndoMax: 1_000,
  /** Later changes of the same customers that an undo looks through; beyond it 409. */
  undoLaterChangesMax: 10_000,
  purgeIntervalSeconds: 3_600,
  purgeGroupMax: 1_000,
  /** A delivery, from the first byte to the last. */
  webhookTimeoutSeconds: 15,
  /** For an answer of a name server, the first time it is asked; the second time it gets twice as long. */
  webhookNameServerMs: 2_000,
  /** Of an answer to a delivery; the rest is not read. */
  webhookAnswerBytesMax: 4_096,
  /** Deliveries under way at once, of one webhook; and how many of them may be retries and replays. */
  webhookSendsMax: 16,
  webhookRetriesMax: 8,
  /** The same while the last attempt failed. */
  webhookFailingSendsMax: 4,
  /** Deliveries that a process begins a second, of all its webhooks, while it has hardly a moment to itself: requests come first. */
  webhookBusySendsPerSecond: 1_500,
  /** Changes of one webhook that are read and not settled; and those held in memory behind one of them. */
  webhookWindowMax: 500,
  webhookWindowBytesMax: 4_194_304,
  webhookAheadMax: 5_000,
  webhookPageMax: 100,
  /** Customers of one webhook that wait for a retry; beyond it nothing new is delivered. */
  webhookHeldCustomersMax: 10_000,
  /** How long a process has a webhook to itself, unless it says that it goes on, and how often it does and looks what has been changed. */
  webhookClaimSeconds: 10,
  webhookClaimIntervalMs: 2_000,
  /** How long what was settled may go unkept: deliveries, and the position alone. */
  webhookProgressMs: 100,
  webhookProgressDeliveriesMax: 200,
  webhookPositionMs: 5_000,
  /** How often changes are looked for in case that a call to look was lost. */
  webhookFeedIntervalMs: 5_000,
  /** Questions to the database for webhooks at once. */
  webhookTurnsMax: 4,
  /** A webhook at which nothing has arrived for so long is paused. */
  webhookFailingSeconds: 259_200,
  /** How long deliveries under way may take to end as the server stops. */
  webhookStopMs: 3_000,
  /** How long the answer of a readiness probe is reused. */
  readyProbeSeconds: 1
} as const

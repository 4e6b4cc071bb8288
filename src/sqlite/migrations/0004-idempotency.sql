-- What came of requests that had an Idempotency-Key, kept with the work itself for a day.
create table idempotency_keys (
  organization_id integer not null,
  key text not null,
  -- Of method, path and body.
  fingerprint text not null,
  outcome blob not null,
  created_at integer not null,
  primary key (organization_id, key)
) strict;

-- Purging those of yesterday.
create index idempotency_keys_by_time on idempotency_keys (created_at);

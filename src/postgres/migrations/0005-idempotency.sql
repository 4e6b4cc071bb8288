-- What came of requests that had an Idempotency-Key, kept with the work itself for a day. Stays on one machine, however many hold
-- the customers.
create table idempotency_keys (
  organization_id bigint not null,
  key text collate "C" not null,
  -- Of method, path and body.
  fingerprint text not null,
  outcome bytea not null,
  created_at bigint not null,
  primary key (organization_id, key)
);

-- Purging those of yesterday.
create index idempotency_keys_by_time on idempotency_keys (created_at);

create table webhooks (
  id integer primary key autoincrement,
  organization_id integer not null references organizations,
  url text not null,
  format text not null,
  -- A JSON array.
  events text not null,
  -- The filter of a search body, as JSON.
  filter text,
  -- Encrypted, with a key that is not in this database.
  secret text not null,
  -- The one before the last rotation, and until when it is signed with.
  previous_secret text,
  previous_until integer,
  pause_reason text,
  paused_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

-- The webhooks of an organization.
create index webhooks_by_organization on webhooks (organization_id, id);

-- How far each webhook has come, and which process works on it until when. A row is left behind by a webhook that was deleted,
-- until what was kept for it is purged.
create table webhook_positions (
  webhook_id integer primary key,
  position text not null,
  succeeded_at integer,
  failing_since integer,
  claimed_by text,
  claimed_until integer
) strict;

-- Processes that deliver, so that each knows its share. One that is not seen again in time is forgotten.
create table webhook_workers (
  name text primary key not null,
  seen_until integer not null
) strict;

-- Customers whose next message has not arrived yet, at each webhook.
create table held_customers (
  webhook_id integer not null,
  -- 0 for what is of no single customer.
  customer_id integer not null,
  next_change_id integer not null,
  next_part integer not null,
  attempts integer not null,
  next_attempt_at integer not null,
  last_change_id integer not null,
  primary key (webhook_id, customer_id)
) strict, without rowid;

-- What became of each message, from its first attempt on.
create table deliveries (
  -- In the order of their first attempts, by which they are copied.
  number integer primary key,
  webhook_id integer not null,
  id text not null,
  change_id integer not null,
  part integer not null,
  customer_id integer,
  event text not null,
  status text not null,
  attempts integer not null,
  first_attempt_at integer not null,
  last_attempt_at integer not null,
  next_attempt_at integer,
  response_status integer,
  response_text text,
  error text,
  duration_ms integer not null,
  is_replay integer not null
) strict;

-- A delivery by its id.
create unique index deliveries_by_id on deliveries (webhook_id, id);
-- Newest first, and purging.
create index deliveries_by_time on deliveries (webhook_id, first_attempt_at, id);
-- The few that did not arrive.
create index deliveries_by_status on deliveries (webhook_id, status, first_attempt_at, id) where status <> 'delivered';
-- Those to be tried again because somebody asked.
create index deliveries_to_replay on deliveries (webhook_id, next_attempt_at) where is_replay = 1 and next_attempt_at is not null;

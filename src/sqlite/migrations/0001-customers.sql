create table organizations (
  id integer primary key autoincrement,
  name text not null unique,
  created_at integer not null,
  -- The total of an unfiltered list, kept in the transaction that changes it.
  customer_count integer not null default 0
) strict;

create table api_keys (
  id integer primary key autoincrement,
  organization_id integer not null references organizations,
  name text not null,
  secret_hash text not null unique,
  created_at integer not null,
  revoked_at integer
) strict;

create table tags (
  id integer primary key autoincrement,
  organization_id integer not null references organizations,
  name text not null,
  color text not null,
  -- Grows with every tag made or recolored, so that readers fetch only what is new to them.
  version integer not null unique,
  -- Whether that version is of a recoloring, before which renderings show another color.
  is_recolored integer not null,
  unique (organization_id, name)
) strict;

create table attributes (
  id integer primary key autoincrement,
  organization_id integer not null references organizations,
  name text not null,
  type text not null,
  unique (organization_id, name)
) strict;

-- Text columns that compare without regard to letter case hold the folded text. The columns that
-- searches read come before the rendering, whose length would push them onto overflow pages.
create table customers (
  id integer primary key autoincrement,
  organization_id integer not null references organizations,
  user_id text,
  email text,
  name text,
  company text,
  phone text,
  country_code text,
  city text,
  region_code text,
  created_from text,
  integration_id text,
  first_seen integer,
  last_seen integer,
  created_at integer not null,
  updated_at integer not null,
  -- Ids of tags in order of attachment, comma-separated; customer_tags has the same for searches.
  tag_ids text not null,
  -- The newest version of a tag when the rendering was made.
  tag_version integer not null,
  rendering text not null
) strict;

-- Search by userId, and its uniqueness.
create unique index customers_by_user_id on customers (organization_id, user_id) where user_id is not null;
-- Search by email.
create index customers_by_email on customers (organization_id, email) where email is not null;
-- List and search sorted by firstSeen, and ranges of it.
create index customers_by_first_seen on customers (organization_id, first_seen, id);
-- List and search sorted by lastSeen, and ranges of it.
create index customers_by_last_seen on customers (organization_id, last_seen, id);

-- Search by tags: from a tag to its customers, and whether a customer has a tag.
create table customer_tags (
  tag_id integer not null,
  customer_id integer not null,
  primary key (tag_id, customer_id)
) strict, without rowid;

-- One typed value a row: folded text, number, or 0 and 1. Serves a search by any attribute.
create table customer_attributes (
  attribute_id integer not null,
  value any not null,
  customer_id integer not null,
  primary key (attribute_id, value, customer_id)
) strict, without rowid;

-- How many customers stand in each stretch of a sorted list, so that a page at any offset is found
-- without counting through all before it. A stretch reaches from its lowest key to the next one's.
create table order_buckets (
  organization_id integer not null,
  -- firstSeen or lastSeen, of those who have the date; `no firstSeen` or `no lastSeen`, of those who do not.
  sequence text not null,
  low_seconds integer not null,
  low_id integer not null,
  customers integer not null,
  primary key (organization_id, sequence, low_seconds, low_id)
) strict, without rowid;

create table events (
  id integer primary key autoincrement,
  customer_id integer not null,
  name text not null,
  data text not null,
  created_at integer not null
) strict;

-- A customer's events, and their removal when a deletion is final.
create index events_by_customer on events (customer_id, created_at);

-- Append-only. A creation has no fields here: they are the customer's row, less its later changes.
create table changes (
  id integer primary key autoincrement,
  organization_id integer not null,
  customer_id integer,
  kind text not null,
  at integer not null,
  key_id integer not null,
  request_id text not null,
  before text,
  after text
) strict;

-- Purging what is older than it is kept.
create index changes_by_time on changes (at);

-- One row that readiness probes rewrite.
create table probes (
  id integer primary key check (id = 1),
  at integer not null
) strict;

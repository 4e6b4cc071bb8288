-- Outside a transaction, so that writers go on while these are built; so each is dropped first, if an attempt was interrupted.

-- List and search sorted by firstSeen, and ranges of it.
drop index concurrently if exists customers_by_first_seen;
create index concurrently customers_by_first_seen on customers (organization_id, first_seen, id);
-- List and search sorted by lastSeen, and ranges of it.
drop index concurrently if exists customers_by_last_seen;
create index concurrently customers_by_last_seen on customers (organization_id, last_seen, id);
-- Search by email.
drop index concurrently if exists customers_by_email;
create index concurrently customers_by_email on customers (organization_id, email, id);
-- Search by userId, of which an index takes no more than a part.
drop index concurrently if exists customers_by_user_id;
create index concurrently customers_by_user_id on customers (organization_id, left(user_id, 200), id);
-- List and search sorted by name, and search by all of it, likewise.
drop index concurrently if exists customers_by_name;
create index concurrently customers_by_name on customers (organization_id, left(name, 200), id);
-- Search by the ids of channels.
drop index concurrently if exists customers_by_integration_id;
create index concurrently customers_by_integration_id on customers (organization_id, left(integration_id, 200), id) where integration_id is not null;
-- Walks by id.
drop index concurrently if exists customers_by_organization;
create index concurrently customers_by_organization on customers (organization_id, id);
-- Search by tags.
drop index concurrently if exists customers_by_tag;
create index concurrently customers_by_tag on customers using gin (tag_ids);
-- Search for what is inside a text, from three characters up.
drop index concurrently if exists customers_by_trigram;
create index concurrently customers_by_trigram on customers using gin (
  organization_id, name gin_trgm_ops, email gin_trgm_ops, company gin_trgm_ops,
  phone gin_trgm_ops, phone_digits gin_trgm_ops, folded_user_id gin_trgm_ops);
-- Search by custom attributes.
drop index concurrently if exists customer_attributes_by_number;
create index concurrently customer_attributes_by_number on customer_attributes (attribute_id, number, customer_id) where number is not null;
drop index concurrently if exists customer_attributes_by_text;
create index concurrently customer_attributes_by_text on customer_attributes (attribute_id, left(text, 200), customer_id) where text is not null;
-- Search by events.
drop index concurrently if exists events_by_name;
create index concurrently events_by_name on events (organization_id, name, customer_id, created_at);
-- What changed since a snapshot.
drop index concurrently if exists feed_by_transaction;
create index concurrently feed_by_transaction on feed (xid);
-- Purging what is older than it is kept.
drop index concurrently if exists changes_by_time;
create index concurrently changes_by_time on changes (at);

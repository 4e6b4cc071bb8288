-- Outside a transaction, so that writers go on while these are built; so each is dropped first, if an attempt was interrupted.

-- What one request did. Ids of requests grow with time, so that entries go to the end.
drop index concurrently if exists changes_by_request;
create index concurrently changes_by_request on changes (request_id);
-- Deletions that have become final.
drop index concurrently if exists changes_of_deletions;
create index concurrently changes_of_deletions on changes (at) where kind = 'customer.deleted';
-- The feed of an organization.
drop index concurrently if exists feed_by_organization;
create index concurrently feed_by_organization on feed (organization_id, stamp, position);

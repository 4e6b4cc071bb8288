-- The id of the newest change that touched the customer's row. Grows even if the customer is deleted and restored.
alter table customers add column version integer not null default 0;

-- A customer's history. Entries of an index end with the row's id.
create index changes_by_customer on changes (customer_id) where customer_id is not null;
-- The same of what is of no single customer: recolorings, of which an undo looks for later ones.
create index changes_of_no_customer on changes (organization_id) where customer_id is null;
-- The feed of an organization.
create index changes_by_organization on changes (organization_id);
-- What one request did. Ids of requests grow with time, so that entries go to the end.
create index changes_by_request on changes (request_id);
-- Whether anybody was restored, whose id may be below all others.
create index changes_of_restorations on changes (kind) where kind = 'customer.restored';
-- Deletions that have become final.
create index changes_of_deletions on changes (at) where kind = 'customer.deleted';

-- The newest change of an organization that was purged, and its request: whoever has read less of the feed has missed some.
create table change_horizons (
  organization_id integer primary key,
  change_id integer not null,
  request_id text not null
) strict;

-- A deletion made before `final_before` cannot be undone, and of those before `emptied_before` the customers' events are gone.
create table trash (
  id integer primary key check (id = 1),
  final_before integer not null,
  emptied_before integer not null
) strict;
insert into trash (id, final_before, emptied_before) values (1, 0, 0);

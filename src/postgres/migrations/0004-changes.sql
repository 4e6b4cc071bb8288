-- breaks servers that do not know it

-- The id of the newest change that touched the customer's row. Grows even if the customer is deleted and restored.
alter table customers add column version bigint not null default 0;

-- The order of the feed is that of stamps, and of positions where they are equal. A stamp is at least the number of its
-- transaction, so whoever reads below the oldest transaction under way misses nothing. And it is at least the number of
-- every transaction that had ended before the row was written, above all of those it waited for: numbers alone would put a
-- transaction that was numbered first and waited for a customer before the one it waited for.
alter table feed add column stamp bigint not null
  default greatest(pg_current_xact_id()::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1);

-- The newest pointer of an organization that was purged: whoever has read less of the feed has missed some.
create table change_horizons (
  organization_id bigint primary key,
  stamp bigint not null,
  position bigint not null
);

-- The cluster and the database whose transactions the feed is numbered by. Restored from a dump elsewhere it is numbered anew.
create table feed_origin (
  id smallint primary key check (id = 1),
  origin text not null
);
insert into feed_origin (id, origin)
  select 1, (select system_identifier from pg_control_system()) || '.' || oid from pg_database where datname = current_database();

-- A deletion made before `final_before` cannot be undone, and of those before `emptied_before` the customers' events are gone.
-- Whoever undoes one holds the row FOR SHARE, so that events are not removed meanwhile.
create table trash (
  id smallint primary key check (id = 1),
  final_before bigint not null,
  emptied_before bigint not null
);
insert into trash (id, final_before, emptied_before) values (1, 0, 0);

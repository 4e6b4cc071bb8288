-- How many requests of an organization were let in, second by second of the last minute, over all processes. Written once a
-- second by each process that lets any in; a crash may forget it. Stays on one machine, however many hold the customers.
create unlogged table request_leases (
  organization_id bigint not null,
  second bigint not null,
  -- Of all second together; may be negative in one, by what was given back in it.
  requests int not null,
  primary key (organization_id, second)
);

-- Takes up to `wanted` requests of those that are left in the minute that ends now, or gives back -`wanted`. A function, so that
-- it is one statement: its steps come one after the other, under a lock, by the clock of the database.
create function lease_requests(organization bigint, wanted int, requests_max int)
returns table (taken int, remaining int, free_after_seconds int) language plpgsql as $$
declare
  this_second bigint;
  used int;
  oldest bigint;
begin
  perform pg_advisory_xact_lock(x'436c746f'::int, (organization % 2147483647)::int);
  this_second := extract(epoch from clock_timestamp());
  delete from request_leases where organization_id = organization and second <= this_second - 60;
  select coalesce(sum(requests), 0), min(second) filter (where requests > 0) into used, oldest
    from request_leases where organization_id = organization;
  taken := least(wanted, greatest(requests_max - used, 0));
  if taken <> 0 then
    insert into request_leases as leases values (organization, this_second, taken)
      on conflict (organization_id, second) do update set requests = leases.requests + excluded.requests;
  end if;
  remaining := requests_max - used - taken;
  free_after_seconds := coalesce(oldest, this_second) + 60 - this_second;
  return next;
end
$$;

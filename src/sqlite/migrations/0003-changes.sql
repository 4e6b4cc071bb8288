-- The id of the newest change that touched the customer's row. Grows even if the customer is deleted and restored.
alter table customers add column version integer not null default 0;

-- What this database signs with. Cursors are signed, so that none can be made up.
create table secrets (
  name text primary key not null,
  value blob not null
) strict;

insert into secrets (name, value) values ('cursor', randomblob(32));

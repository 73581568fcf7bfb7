-- works with: 0006
-- What a build needs to know of a schema that is newer than itself, and which installation this database is.

-- Migrations from 0007 on. Builds that end at 0006 read meterfold.migrations only, and refuse each number there that they do not know:
-- a migration that works with them is not listed there.
create table meterfold.declared_migrations (
  number     integer not null,
  name       text not null,
  checksum   text not null,
  -- The oldest build that works once this migration is applied, by the newest migration that this build knows.
  works_with integer not null,
  -- The version of meterfold that applied it.
  release    text not null,
  applied_at timestamptz not null default now(),
  constraint declared_migrations_pkey primary key (number),
  constraint declared_migrations_number_check check (number > 6),
  constraint declared_migrations_works_with_check check (works_with between 1 and number)
);

-- Tells the databases apart whose workers share a Temporal namespace. The single row is inserted here.
create table meterfold.installation (
  installation_id uuid not null default gen_random_uuid(),
  single_row      boolean not null default true,
  constraint installation_pkey primary key (single_row),
  constraint installation_single_row_check check (single_row)
);
insert into meterfold.installation default values;

-- Roles that may read the list of migrations are meterfold's own: each of their sessions reads these tables too.
do $$
declare
  reader text;
begin
  for reader in
    select quote_ident(role.rolname)
      from pg_catalog.pg_class list
     cross join lateral pg_catalog.aclexplode(list.relacl) granted
      join pg_catalog.pg_roles role on role.oid = granted.grantee
     where list.oid = 'meterfold.migrations'::pg_catalog.regclass
       and granted.privilege_type = 'SELECT' and granted.grantee <> list.relowner
  loop
    execute pg_catalog.format('grant select on meterfold.declared_migrations, meterfold.installation to %s', reader);
  end loop;
end $$;

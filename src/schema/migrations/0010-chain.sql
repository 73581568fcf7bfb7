-- works with: 0006
-- The chain: one link for each ending of a run (published, discarded, reverted), in the order of the endings. Each link's hash covers the
-- link before it, and the head repeats the last one in a row of its own: rows of runs that are deleted leave links without a run, and
-- links that are deleted no longer lead to the head. `meterfold verify` recomputes all of it, and compares a head that was noted elsewhere.
--
-- Triggers write it, so it does not depend on which build ends a run. They run with the rights of the owner: a role that bills
-- needs no right to write here, and cannot change the chain.
--
-- Order of locks: the row of the run (publish, discard) or the table of runs (revert) first, then the head. One run is active at most,
-- and a revert locks the table, so nobody waits for the head except behind a migration or another retention.

create table meterfold.chain (
  number bigint primary key check (number > 0),
  event  text not null check (event in ('published', 'discarded', 'reverted', 'retained')),
  run_id bigint not null references meterfold.runs,
  -- row_digest of the run as the event has left it.
  digest bigint not null,
  -- SHA-256 of the link before, and of "number event run_id digest" in UTF-8.
  hash   bytea not null check (octet_length(hash) = 32)
);

create table meterfold.chain_head (
  only_row      boolean primary key default true check (only_row),
  number        bigint not null check (number >= 0),
  hash          bytea not null check (octet_length(hash) = 32),
  newest_run_id bigint not null check (newest_run_id >= 0)
);

insert into meterfold.chain_head (number, hash, newest_run_id) values (0, decode(repeat('00', 32), 'hex'), 0);

-- Appends a link. Where the head was deleted or set back, links are numbered on from the last one, so that runs can go on ending:
-- the new link's hash then does not fit its number and the link before, which verify reports from then on.
create function meterfold.append_link(of_event text, of_run bigint, of_digest bigint) returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  head     meterfold.chain_head;
  next     bigint;
  new_hash bytea;
begin
  insert into meterfold.chain_head (number, hash, newest_run_id)
  values (0, decode(repeat('00', 32), 'hex'), 0)
  on conflict (only_row) do nothing;
  select * into strict head from meterfold.chain_head for update;
  next := greatest(head.number, (select max(number) from meterfold.chain)) + 1;
  new_hash := sha256(head.hash || convert_to(concat_ws(' ', head.number + 1, of_event, of_run, of_digest), 'UTF8'));
  insert into meterfold.chain (number, event, run_id, digest, hash) values (next, of_event, of_run, of_digest, new_hash);
  update meterfold.chain_head
     set number = next, hash = new_hash, newest_run_id = greatest(newest_run_id, of_run);
end $$;

create function meterfold.link_run() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterfold.append_link(new.state, new.run_id, new.row_digest);
  return null;
end $$;

revoke execute on function meterfold.append_link(text, bigint, bigint), meterfold.link_run() from public;

-- No run ends between the links of those that have ended and the trigger.
lock table meterfold.runs in share row exclusive mode;

do $$
declare
  ended record;
begin
  for ended in select state, run_id, row_digest from meterfold.runs where state <> 'active' order by run_id loop
    perform meterfold.append_link(ended.state, ended.run_id, ended.row_digest);
  end loop;
end $$;

create trigger link_run after update of row_digest on meterfold.runs
  for each row when (new.state <> 'active' and new.row_digest is distinct from old.row_digest)
  execute function meterfold.link_run();

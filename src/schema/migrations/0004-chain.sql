-- The chain: one link per ending of a run (published, discarded, reverted) and per retention, in order. The hash of a
-- link covers the previous link, and the head repeats the last link in a row of its own: a deleted run leaves a link
-- without a run, and deleted links no longer lead to the head. `meterfold verify` recomputes the chain, and compares a
-- head that was noted elsewhere.
--
-- Triggers write the chain, with the rights of their owner: a role that bills needs no right to write here, and cannot
-- change the chain.
--
-- Order of locks: first the run's row (publish, discard) or the table of runs (revert), then the head. At most one run
-- is active, and a revert locks the table, so a transaction waits for the head only behind a migration or another
-- retention.

create table meterfold.chain (
  number bigint not null,
  event  text not null,
  run_id bigint not null,
  -- row_digest of the run after the event, or meterfold.retention_digest.
  digest bigint not null,
  -- SHA-256 of the previous hash followed by "number event run_id digest" in UTF-8.
  hash   bytea not null,
  constraint chain_pkey primary key (number),
  constraint chain_run_id_fkey foreign key (run_id) references meterfold.runs,
  constraint chain_number_check check (number > 0),
  constraint chain_event_check check (event in ('published', 'discarded', 'reverted', 'retained')),
  constraint chain_hash_check check (octet_length(hash) = 32)
);

create table meterfold.chain_head (
  only_row      boolean not null default true,
  number        bigint not null,
  hash          bytea not null,
  newest_run_id bigint not null,
  constraint chain_head_pkey primary key (only_row),
  constraint chain_head_only_row_check check (only_row),
  constraint chain_head_number_check check (number >= 0),
  constraint chain_head_hash_check check (octet_length(hash) = 32),
  constraint chain_head_newest_run_id_check check (newest_run_id >= 0)
);

insert into meterfold.chain_head (number, hash, newest_run_id) values (0, decode(repeat('00', 32), 'hex'), 0);

-- Appends a link. If the head was deleted or set back, the link gets the number after the last link, so that runs can
-- still end. Its hash then does not fit its number and the previous link, which verify reports from then on.
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
  insert into meterfold.chain (number, event, run_id, digest, hash)
  values (next, of_event, of_run, of_digest, new_hash);
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

create trigger link_run after update of row_digest on meterfold.runs
  for each row when (new.state <> 'active' and new.row_digest is distinct from old.row_digest)
  execute function meterfold.link_run();

-- What `meterfold retain` has verified and released. Parts of the log up to `position` may be dropped; verify then
-- recomputes the rest from the state in these tables. meterfold deletes nothing from the log.

-- One row per released point, which is the end of a published run. Figures and digests cover the runs since the point
-- before.
create table meterfold.retentions (
  run_id             bigint not null,
  after_position     bigint not null,
  position           bigint not null,
  -- The requested time; null if a position was requested.
  until_time         timestamptz,
  -- The latest called_at of the released calls; null if none of them can be billed.
  newest_called_at   timestamptz,
  runs               bigint not null,
  calls              bigint not null,
  usage              numeric not null,
  quarantined_calls  bigint not null,
  cycles             bigint not null,
  -- Sums of 64-bit hashes mod 2^64: of the calls (as in the proofs of the runs), the billing records, the quarantined
  -- calls.
  log_digest         text not null,
  records_digest     text not null,
  quarantine_digest  text not null,
  -- All of retained_open_cycles after this retention.
  users              bigint not null,
  open_calls         bigint not null,
  open_usage         numeric not null,
  open_cycles_digest text not null,
  retained_at        timestamptz not null default clock_timestamp(),
  constraint retentions_pkey primary key (run_id),
  constraint retentions_run_id_fkey foreign key (run_id) references meterfold.runs,
  constraint retentions_after_position_check check (after_position >= 0),
  constraint retentions_position_check check (position > after_position),
  constraint retentions_runs_check check (runs > 0),
  constraint retentions_calls_check check (calls >= 0),
  constraint retentions_usage_check check (usage >= 0),
  constraint retentions_quarantined_calls_check check (quarantined_calls >= 0),
  constraint retentions_cycles_check check (cycles >= 0),
  constraint retentions_log_digest_check check (log_digest ~ '^[0-9a-f]{16}$'),
  constraint retentions_records_digest_check check (records_digest ~ '^[0-9a-f]{16}$'),
  constraint retentions_quarantine_digest_check check (quarantine_digest ~ '^[0-9a-f]{16}$'),
  constraint retentions_users_check check (users >= 0),
  constraint retentions_open_calls_check check (open_calls >= 0),
  constraint retentions_open_usage_check check (open_usage >= 0),
  constraint retentions_open_cycles_digest_check check (open_cycles_digest ~ '^[0-9a-f]{16}$')
);

-- Each user's open cycle at the newest released point, and the run in which the user's last call up to there lies: the
-- state from which verify continues. It has a row for every user with a released call.
create table meterfold.retained_open_cycles (
  run_id          bigint not null,
  next_cycle      bigint not null,
  usage           bigint not null,
  first_call_id   bigint,
  first_called_at timestamptz,
  calls           smallint not null,
  user_id         text collate "C" not null,
  constraint retained_open_cycles_pkey primary key (user_id),
  constraint retained_open_cycles_next_cycle_check check (next_cycle >= 1),
  constraint retained_open_cycles_usage_check check (usage >= 0),
  constraint retained_open_cycles_calls_check check (calls >= 0),
  constraint retained_open_cycles_first_call_check
    check ((calls = 0) = (first_call_id is null)
           and (calls = 0) = (first_called_at is null)
           and (calls > 0 or usage = 0))
);

-- A retention as one number, for its link in the chain. Null columns are omitted, so that a later migration may add
-- columns.
create function meterfold.retention_digest(of_run bigint) returns bigint
  language sql stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
  select hashtextextended(jsonb_strip_nulls(to_jsonb(retention))::text, 0)
    from meterfold.retentions retention
   where retention.run_id = of_run
$$;

create function meterfold.link_retention() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform meterfold.append_link('retained', new.run_id, meterfold.retention_digest(new.run_id));
  return null;
end $$;

create trigger link_retention after insert on meterfold.retentions
  for each row execute function meterfold.link_retention();

-- Released calls may be gone, so their run cannot be billed again. The database refuses the revert, whichever program
-- asks.
create function meterfold.refuse_revert() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from meterfold.retentions where run_id >= new.run_id) then
    raise exception 'run % cannot be reverted: its calls were released by "meterfold retain"', new.run_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  return new;
end $$;

create trigger refuse_revert before update of state on meterfold.runs
  for each row when (new.state = 'reverted' and old.state <> 'reverted')
  execute function meterfold.refuse_revert();

revoke execute on function meterfold.append_link(text, bigint, bigint), meterfold.link_run(),
                           meterfold.link_retention(), meterfold.refuse_revert()
  from public;

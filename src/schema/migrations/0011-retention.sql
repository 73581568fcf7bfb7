-- works with: 0006
-- Retention: what `meterfold retain` has verified and released. Old parts of the log may be dropped up to `position`; verify then
-- recomputes the rest from the state kept here. Nothing in the log is deleted by meterfold.

-- One row for each point that was released, the end of a published run. Figures and digests cover the runs after the point before.
create table meterfold.retentions (
  run_id            bigint primary key references meterfold.runs,
  after_position    bigint not null check (after_position >= 0),
  position          bigint not null,
  -- The time that was asked for; null where a position was.
  until_time        timestamptz,
  -- The latest called_at of the calls released; null where none can be billed.
  newest_called_at  timestamptz,
  runs              bigint not null check (runs > 0),
  calls             bigint not null check (calls >= 0),
  usage             numeric not null check (usage >= 0),
  quarantined_calls bigint not null check (quarantined_calls >= 0),
  cycles            bigint not null check (cycles >= 0),
  -- Sums of 64-bit hashes mod 2^64: of the calls (as the runs' proofs have it), of the billing records, of the quarantine.
  log_digest        text not null check (log_digest ~ '^[0-9a-f]{16}$'),
  records_digest    text not null check (records_digest ~ '^[0-9a-f]{16}$'),
  quarantine_digest text not null check (quarantine_digest ~ '^[0-9a-f]{16}$'),
  -- All of retained_open_cycles, as this retention has left it.
  users             bigint not null check (users >= 0),
  open_calls        bigint not null check (open_calls >= 0),
  open_usage        numeric not null check (open_usage >= 0),
  open_cycles_digest      text not null check (open_cycles_digest ~ '^[0-9a-f]{16}$'),
  retained_at       timestamptz not null default clock_timestamp(),
  constraint retentions_range_check check (position > after_position)
);

-- Each user's open cycle at the newest of these points, and the run that had seen its last call by then: the state from which verify
-- counts on. One row a user that was ever seen.
create table meterfold.retained_open_cycles (
  run_id          bigint not null,
  next_cycle      bigint not null check (next_cycle >= 1),
  usage           bigint not null check (usage >= 0),
  first_call_id   bigint,
  first_called_at timestamptz,
  calls           smallint not null check (calls >= 0),
  user_id         text collate "C" primary key,
  constraint retained_open_cycles_open_check
    check ((calls = 0) = (first_call_id is null) and (calls = 0) = (first_called_at is null) and (calls > 0 or usage = 0))
);

-- A retention as one number, for its link in the chain. Columns that are null are left out, so that a later migration may add some.
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

revoke execute on function meterfold.link_retention() from public;

create trigger link_retention after insert on meterfold.retentions
  for each row execute function meterfold.link_retention();

-- A run whose calls may be gone cannot be billed again. The database refuses the revert, because an older build knows of no retention.
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

revoke execute on function meterfold.refuse_revert() from public;

create trigger refuse_revert before update of state on meterfold.runs
  for each row when (new.state = 'reverted' and old.state <> 'reverted')
  execute function meterfold.refuse_revert();

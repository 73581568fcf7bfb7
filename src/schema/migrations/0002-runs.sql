-- Runs, their tasks, and the data that map and reduce exchange during a run. Every row carries the id of its run; rows
-- of a run that is not published are invisible in the public views.
--
-- The schema meterfold and meterfold.migrations exist already: src/schema/migrate.ts creates them before the first
-- migration.

-- Identifies the database to workers that share a Temporal namespace. The single row is inserted here.
create table meterfold.installation (
  installation_id uuid not null default gen_random_uuid(),
  single_row      boolean not null default true,
  constraint installation_pkey primary key (single_row),
  constraint installation_single_row_check check (single_row)
);

insert into meterfold.installation default values;

-- The exact amount of a usage. No other SQL multiplies a usage by a price, except that of `meterfold verify`. `amountOf`
-- in src/billing/price.ts is the same rule in TypeScript. The standard body is parsed once, here, and PostgreSQL inlines
-- it.
create function meterfold.amount_of(usage numeric, price_per_unit numeric) returns numeric
  language sql immutable parallel safe
  return usage * price_per_unit;

-- A run is active from its opening until it is published or discarded. The unique index runs_one_active is the lock
-- that permits one active run at a time.
create table meterfold.runs (
  run_id                 bigint generated always as identity,
  state                  text not null default 'active',

  -- The owner in Temporal. A reset of the workflow starts another execution with the same first execution.
  temporal_address       text not null,
  temporal_namespace     text not null,
  workflow_id            text not null,
  first_execution_run_id text not null,
  execution_run_id       text not null,

  -- The calls that the run bills: log positions (watermark, sealed_end]. The seal columns are null until the run is
  -- sealed.
  previous_run_id        bigint,
  watermark              bigint not null,
  seal_position          bigint,
  sealed_end             bigint,
  -- The writers that blocked the run, if sealed_end lies before seal_position.
  blocked_by             jsonb,
  -- Position of the primary's write-ahead log at the seal. A replica that has replayed it holds every call of the run.
  sealed_lsn             pg_lsn,
  -- A random id by which a replica shows that it belongs to the timeline in which the run was sealed: positions and
  -- transaction ids are assigned again after a failover.
  seal_id                uuid,

  -- The terms of the run.
  calls_per_cycle        smallint not null,
  price_per_unit         numeric not null,
  currency               text not null,
  -- What map does with a call that cannot be billed.
  bad_calls              text not null default 'stop',

  -- Figures proved by publish. Sums of usage can exceed bigint.
  proof                  jsonb,
  calls                  bigint,
  users                  bigint,
  cycles                 bigint,
  usage                  numeric,
  billed_usage           numeric,
  amount                 numeric,
  carried_in_calls       bigint,
  carried_in_usage       numeric,
  carried_out_calls      bigint,
  carried_out_usage      numeric,
  quarantined_calls      bigint not null default 0,
  quarantined_usage      numeric not null default 0,

  opened_at              timestamptz not null default now(),
  published_at           timestamptz,
  discarded_at           timestamptz,
  discard_reason         text,
  reverted_at            timestamptz,
  revert_reason          text,
  -- The transaction that published the run. Every row version of a billed call is older.
  published_xid          xid8,
  -- meterfold.run_digest at the end of the run.
  row_digest             bigint,

  constraint runs_pkey primary key (run_id),
  constraint runs_previous_run_id_fkey foreign key (previous_run_id) references meterfold.runs,
  constraint runs_state_check check (state in ('active', 'published', 'discarded', 'reverted')),
  constraint runs_watermark_check check (watermark >= 0),
  constraint runs_seal_position_check check (seal_position >= watermark),
  constraint runs_sealed_end_check check (sealed_end >= watermark),
  constraint runs_calls_per_cycle_check check (calls_per_cycle between 1 and 1000),
  constraint runs_price_per_unit_check check (price_per_unit >= 0 and scale(price_per_unit) <= 12),
  constraint runs_currency_check check (currency ~ '^[A-Z]{3}$'),
  constraint runs_bad_calls_check check (bad_calls in ('stop', 'quarantine')),
  constraint runs_quarantined_calls_check check (quarantined_calls >= 0),
  constraint runs_published_at_check check ((state in ('published', 'reverted')) = (published_at is not null)),
  constraint runs_discarded_at_check check ((state = 'discarded') = (discarded_at is not null)),
  constraint runs_reverted_at_check
    check ((state = 'reverted') = (reverted_at is not null and revert_reason is not null)),
  constraint runs_proof_check
    check (state not in ('published', 'reverted')
           or sealed_end is not null and proof is not null and cycles is not null),
  constraint runs_calls_check
    check (state not in ('published', 'reverted')
           or carried_in_calls + calls = calls_per_cycle * cycles + carried_out_calls),
  constraint runs_usage_check
    check (state not in ('published', 'reverted') or carried_in_usage + usage = billed_usage + carried_out_usage),
  constraint runs_amount_check
    check (state not in ('published', 'reverted') or amount = meterfold.amount_of(billed_usage, price_per_unit))
);

create unique index runs_one_active on meterfold.runs ((true)) where state = 'active';

-- An execution opens at most one run, however often its plan is retried.
create unique index runs_of_execution on meterfold.runs (execution_run_id, workflow_id, temporal_namespace);
create index runs_of_owner on meterfold.runs (first_execution_run_id, workflow_id, temporal_namespace);

-- Published runs form one chain: each begins where the previous one ended.
create unique index runs_published_chain on meterfold.runs (previous_run_id) nulls not distinct
 where state = 'published';

-- A position that was read while other transactions were writing to the log. Once these holders have ended, every call
-- up to the position is committed or gone.
create table meterfold.seals (
  seal_position bigint not null,
  holders       jsonb not null,
  sealed_at     timestamptz not null default now(),
  constraint seals_pkey primary key (seal_position)
);

-- The last activity on a run. It is read only where the owner's Temporal server is unavailable. It is a table of its
-- own because an update of the run's row would wait for the share locks of all activities.
create table meterfold.leases (
  run_id     bigint not null,
  renewed_at timestamptz not null default clock_timestamp(),
  constraint leases_pkey primary key (run_id),
  constraint leases_run_id_fkey foreign key (run_id) references meterfold.runs
);

-- One row per unit of work, with its outcome. Only plan inserts rows.
create table meterfold.tasks (
  run_id         bigint not null,
  kind           text not null,
  number         integer not null,
  -- The partition of a map or recount task.
  first_position bigint,
  last_position  bigint,
  -- The shard of a reduce task: buckets first_bucket to end_bucket - 1.
  first_bucket   integer,
  end_bucket     integer,
  outcome        jsonb,
  worker         text,
  attempt        integer,
  finished_at    timestamptz,
  constraint tasks_pkey primary key (run_id, kind, number),
  constraint tasks_run_id_fkey foreign key (run_id) references meterfold.runs,
  constraint tasks_kind_check check (kind in ('map', 'reduce', 'recount')),
  constraint tasks_number_check check (number >= 0),
  constraint tasks_finished_at_check check ((outcome is null) = (finished_at is null)),
  constraint tasks_positions_check check (kind = 'reduce' or first_position <= last_position),
  constraint tasks_buckets_check
    check (kind <> 'reduce' or first_bucket >= 0 and first_bucket < end_bucket and end_bucket <= 4096)
);

-- The server process of each attempt in progress, so that a successor can end the process of a frozen attempt. Two
-- activities may work on the same task, the second one as a backup.
create table meterfold.attempts (
  attempt_id    bigint generated always as identity,
  run_id        bigint not null,
  activity_id   text not null,
  task_kind     text,
  task_number   integer,
  backend_pid   integer not null,
  backend_start timestamptz not null,
  begun_at      timestamptz not null default clock_timestamp(),
  constraint attempts_pkey primary key (attempt_id)
);

create index attempts_of_activity on meterfold.attempts (run_id, activity_id);

-- A spill is one memory-full of a partition: a segment per bucket, in bucket order. bucket_index has 4,097 entries of 8
-- bytes, each the start of a bucket in the spill and the CRC-32 of its segment. A shard reads the entries of its
-- buckets with substring(), for which the value must be stored uncompressed, and then their segments. Spills and
-- segments are unlogged because they are no result: map restarts if a crash empties them.
create unlogged table meterfold.spills (
  run_id        bigint not null,
  partition     integer not null,
  spill         integer not null,
  base_position bigint not null,
  bucket_index  bytea not null,
  constraint spills_pkey primary key (run_id, partition, spill),
  constraint spills_run_id_fkey foreign key (run_id) references meterfold.runs
);

alter table meterfold.spills alter column bucket_index set storage external;

-- The segments of a spill, one after the other, in pieces of 8,064 bytes. A piece fills a page, which costs half as
-- much as one large value that PostgreSQL would split into pieces of 2 KB.
create unlogged table meterfold.segments (
  run_id    bigint not null,
  partition integer not null,
  spill     integer not null,
  page      integer not null,
  data      bytea not null,
  constraint segments_pkey primary key (run_id, partition, spill, page),
  constraint segments_data_check check (octet_length(data) <= 8064)
);

alter table meterfold.segments alter column data set storage plain;

-- The row of a run and its tasks as one number that includes the digest of the previous run, so that a later change of
-- any of them is detected. Null columns are omitted, so that a later migration may add columns.
create function meterfold.run_digest(of_run bigint) returns bigint
  language sql stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set datestyle = 'ISO'
  set intervalstyle = 'postgres'
  set extra_float_digits = 1
as $$
  select hashtextextended(
           jsonb_strip_nulls(to_jsonb(run) - 'row_digest')::text
             || coalesce((select string_agg(jsonb_strip_nulls(to_jsonb(task))::text, ' '
                                            order by task.kind, task.number)
                            from meterfold.tasks task
                           where task.run_id = run.run_id), ''),
           case when run.state <> 'discarded' then coalesce(previous.row_digest, 0) else 0 end)
    from meterfold.runs run
    left join meterfold.runs previous on previous.run_id = run.previous_run_id
   where run.run_id = of_run
$$;

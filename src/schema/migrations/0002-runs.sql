-- Runs and their tasks. A run is active from its opening until it is published or discarded;
-- the partial unique index makes PostgreSQL the lock: there is one active run at most.

create schema if not exists meterfold;

create table meterfold.runs (
  run_id                 bigint generated always as identity primary key,
  state                  text not null default 'active'
                         check (state in ('active', 'published', 'discarded')),

  -- Who works on it, in Temporal's terms. The first execution's id survives a reset of the workflow.
  temporal_address       text not null,
  temporal_namespace     text not null,
  workflow_id            text not null,
  first_execution_run_id text not null,

  -- The calls it bills: log positions (watermark, sealed_end]. Null until sealed.
  previous_run_id        bigint references meterfold.runs,
  watermark              bigint not null check (watermark >= 0),
  seal_position          bigint check (seal_position >= watermark),
  sealed_end             bigint check (sealed_end >= watermark),
  blocked_by             jsonb,

  -- What it bills by.
  calls_per_cycle        smallint not null check (calls_per_cycle between 1 and 1000),
  price_per_unit         numeric not null check (price_per_unit >= 0 and scale(price_per_unit) <= 12),
  currency               text not null check (currency ~ '^[A-Z]{3}$'),

  -- What was proved when it was published. Usage sums can pass bigint.
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

  opened_at              timestamptz not null default now(),
  published_at           timestamptz,
  discarded_at           timestamptz,
  discard_reason         text,

  check ((state = 'published') = (published_at is not null)),
  check ((state = 'discarded') = (discarded_at is not null)),
  check (state <> 'published' or (sealed_end is not null and proof is not null and cycles is not null
         and carried_in_calls + calls = calls_per_cycle * cycles + carried_out_calls
         and carried_in_usage + usage = billed_usage + carried_out_usage
         and amount = billed_usage * price_per_unit))
);

create unique index runs_one_active on meterfold.runs ((true)) where state = 'active';

-- A workflow opens one run at most, however often its plan is tried or the workflow is reset.
create unique index runs_of_owner on meterfold.runs (first_execution_run_id, workflow_id, temporal_namespace);

-- Published runs form one chain: each begins where the one before it ended.
create unique index runs_published_chain on meterfold.runs (previous_run_id) nulls not distinct where state = 'published';

-- A position that was read while writers were still under way. Once its holders have ended it is safe to
-- bill up to it, whoever else has begun to write since.
create table meterfold.seals (
  seal_position bigint primary key,
  holders       jsonb not null,
  sealed_at     timestamptz not null default now()
);

-- When somebody last worked on a run; asked only where its owner's Temporal can't be. A table of its own:
-- an update of the run row would wait for every activity's share lock.
create table meterfold.leases (
  run_id     bigint primary key references meterfold.runs,
  renewed_at timestamptz not null default clock_timestamp()
);

-- One row per unit of work and its one outcome. Only the plan creates rows.
create table meterfold.tasks (
  run_id         bigint not null references meterfold.runs,
  kind           text not null check (kind in ('map', 'reduce', 'recount')),
  number         integer not null check (number >= 0),
  first_position bigint,
  last_position  bigint,
  first_bucket   integer,
  end_bucket     integer,
  outcome        jsonb,
  worker         text,
  attempt        integer,
  finished_at    timestamptz,
  primary key (run_id, kind, number),
  check ((outcome is null) = (finished_at is null)),
  check (kind = 'reduce' or first_position <= last_position),
  check (kind <> 'reduce' or (first_bucket >= 0 and first_bucket < end_bucket and end_bucket <= 4096))
);

-- The server process of each attempt that is under way, so that a successor can end a frozen one's. Those of a run's tasks tell since when.
create table meterfold.attempts (
  attempt_id    bigint generated always as identity primary key,
  run_id        bigint not null,
  activity_id   text not null,
  backend_pid   integer not null,
  backend_start timestamptz not null,
  begun_at      timestamptz not null default clock_timestamp()
);

create index attempts_of_activity on meterfold.attempts (run_id, activity_id);

-- Billed results: open cycles, billing records and quarantined calls, with the public views that show those of
-- published runs.

-- A user's open cycle after a run that read calls of that user. Rows are never updated: the row of the newest published
-- run counts, and superseded rows are deleted. The first-call columns are null if calls = 0.
create table meterfold.open_cycles (
  run_id          bigint not null,
  next_cycle      bigint not null,
  usage           bigint not null,
  first_call_id   bigint,
  first_called_at timestamptz,
  calls           smallint not null,
  user_id         text collate "C" not null,
  constraint open_cycles_pkey primary key (user_id, run_id),
  constraint open_cycles_next_cycle_check check (next_cycle >= 1),
  constraint open_cycles_usage_check check (usage >= 0),
  constraint open_cycles_calls_check check (calls >= 0),
  constraint open_cycles_first_call_check
    check ((calls = 0) = (first_call_id is null)
           and (calls = 0) = (first_called_at is null)
           and (calls > 0 or usage = 0))
);

create index open_cycles_of_run on meterfold.open_cycles using brin (run_id) with (pages_per_range = 32);

-- Billing records, packed: a row has up to 96 consecutive cycles of one user that one run closed, in five bit strings
-- of 64 bits per cycle. Two full rows fill a page. As bigint[] they would take PostgreSQL 1.5 times as long to receive,
-- number by number, and longer to show. Times are microseconds since 1970. The amount is not stored; see
-- meterfold.amount_of.
create table meterfold.records (
  run_id              bigint not null,
  first_cycle         bigint not null,
  user_id             text collate "C" not null,
  usages              bit varying not null,
  first_call_ids      bit varying not null,
  last_call_ids       bit varying not null,
  first_called_micros bit varying not null,
  last_called_micros  bit varying not null,
  constraint records_pkey primary key (user_id, first_cycle),
  constraint records_first_cycle_check check (first_cycle >= 1),
  constraint records_usages_check check (length(usages) between 64 and 96 * 64 and length(usages) % 64 = 0),
  constraint records_first_call_ids_check check (length(first_call_ids) = length(usages)),
  constraint records_last_call_ids_check check (length(last_call_ids) = length(usages)),
  constraint records_first_called_micros_check check (length(first_called_micros) = length(usages)),
  constraint records_last_called_micros_check check (length(last_called_micros) = length(usages))
);

alter table meterfold.records
  alter column usages set storage plain,
  alter column first_call_ids set storage plain,
  alter column last_call_ids set storage plain,
  alter column first_called_micros set storage plain,
  alter column last_called_micros set storage plain;

create index records_of_run on meterfold.records using brin (run_id) with (pages_per_range = 32);

-- Records of old runs, merged by `meterfold repack`: a row has cycles of several runs of one user. Where runs are
-- frequent, a row of meterfold.records has only the one or two cycles that its run closed, and most of its bytes are
-- overhead.
--
-- run_id is the newest run of the row. All runs of a row have the same price, currency and calls per cycle. None of
-- them can be reverted or discarded any more, because a later published run was built on them.
create table meterfold.repacked_records (
  -- The runs of the row in the order of their cycles, 64 bits each.
  run_ids    bit varying not null,
  -- One bit per cycle, set where the cycles of another run begin. The number of bits set up to a cycle is the index of
  -- its run.
  run_starts bit varying not null,
  constraint repacked_records_pkey primary key (user_id, first_cycle),
  constraint repacked_records_run_starts_check
    check (length(run_starts) = length(usages) / 64 and get_bit(run_starts, 0) = 1),
  constraint repacked_records_run_ids_check
    check (length(run_ids) = 64 * bit_count(run_starts)
           and substring(run_ids, length(run_ids) - 63, 64)::bigint = run_id)
) inherits (meterfold.records);

alter table meterfold.repacked_records
  alter column usages set storage plain,
  alter column first_call_ids set storage plain,
  alter column last_call_ids set storage plain,
  alter column first_called_micros set storage plain,
  alter column last_called_micros set storage plain,
  alter column run_ids set storage plain,
  alter column run_starts set storage plain;

-- The functions below have standard bodies: they are parsed once, here, so that they do not depend on the search_path
-- of a session, and PostgreSQL still inlines them, which a SET clause would prevent.

-- The number at an index of a packed column. Indexes start at 1.
create function meterfold.number_at(numbers bit varying, index integer) returns bigint
  language sql immutable parallel safe
  return substring(numbers, 64 * index - 63, 64)::bigint;

-- The run that closed the cycle at an index of a repacked row. Indexes start at 1.
create function meterfold.run_at(run_ids bit varying, run_starts bit varying, index integer) returns bigint
  language sql immutable parallel safe
  return substring(run_ids, 64 * bit_count(substring(run_starts, 1, index))::integer - 63, 64)::bigint;

-- A range that contains all runs of a repacked row.
create function meterfold.run_range(run_ids bit varying, run_id bigint) returns int8range
  language sql immutable parallel safe
  return int8range(substring(run_ids, 1, 64)::bigint, run_id, '[]');

-- All bit strings of a group, one after the other.
create aggregate meterfold.concatenated(bit varying) (
  sfunc = bitcat, stype = bit varying, initcond = '', parallel = safe
);

create index repacked_records_runs on meterfold.repacked_records using gist (meterfold.run_range(run_ids, run_id));
-- A delete by run from meterfold.records also scans this table. It finds no row here, and this index keeps the scan
-- short.
create index repacked_records_of_run on meterfold.repacked_records using brin (run_id) with (autosummarize = on);

-- Finished passes of `meterfold repack`. The newest until_run_id says which rows the next pass need not consider again.
-- A pass locks this table for each batch.
create table meterfold.repacks (
  repack_id    bigint generated always as identity,
  until_run_id bigint not null,
  cycles       bigint not null,
  rows_before  bigint not null,
  rows_after   bigint not null,
  begun_at     timestamptz not null,
  finished_at  timestamptz not null default clock_timestamp(),
  constraint repacks_pkey primary key (repack_id)
);

-- Calls that cannot be billed, quarantined by a run with bad_calls = 'quarantine'. Its proof counts them.
create table meterfold.quarantine (
  run_id       bigint not null,
  log_position bigint not null,
  -- As in the log; null if the log has none.
  usage        bigint,
  reason       text not null,
  constraint quarantine_pkey primary key (log_position),
  constraint quarantine_run_id_fkey foreign key (run_id) references meterfold.runs
);

create index quarantine_of_run on meterfold.quarantine (run_id);

-- Two branches, so that an index finds the records of a run in both tables: BRIN in the first, the range of runs in the
-- second. The limits tell the planner how many cycles a row can have.
create view public.billing_records as
select packed.user_id,
       packed.first_cycle + cycle.index - 1 as cycle_number,
       run.calls_per_cycle::integer as calls,
       meterfold.number_at(packed.usages, cycle.index) as usage,
       meterfold.amount_of(meterfold.number_at(packed.usages, cycle.index), run.price_per_unit) as amount,
       run.currency,
       meterfold.number_at(packed.first_call_ids, cycle.index) as first_call_id,
       meterfold.number_at(packed.last_call_ids, cycle.index) as last_call_id,
       to_timestamp(meterfold.number_at(packed.first_called_micros, cycle.index) / float8 '1e6') as first_called_at,
       to_timestamp(meterfold.number_at(packed.last_called_micros, cycle.index) / float8 '1e6') as last_called_at,
       packed.run_id
  from only meterfold.records packed
  join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
 cross join lateral (select generate_series(1, length(packed.usages) / 64) as index limit 96) cycle
union all
select packed.user_id,
       packed.first_cycle + cycle.index - 1,
       run.calls_per_cycle::integer,
       meterfold.number_at(packed.usages, cycle.index),
       meterfold.amount_of(meterfold.number_at(packed.usages, cycle.index), run.price_per_unit),
       run.currency,
       meterfold.number_at(packed.first_call_ids, cycle.index),
       meterfold.number_at(packed.last_call_ids, cycle.index),
       to_timestamp(meterfold.number_at(packed.first_called_micros, cycle.index) / float8 '1e6'),
       to_timestamp(meterfold.number_at(packed.last_called_micros, cycle.index) / float8 '1e6'),
       run.run_id
  from meterfold.repacked_records packed
 cross join lateral (select index, meterfold.run_at(packed.run_ids, packed.run_starts, index) as run_id
                       from generate_series(1, length(packed.usages) / 64) as index
                      limit 96) cycle
  join meterfold.runs run on run.run_id = cycle.run_id and run.state = 'published'
                         and meterfold.run_range(packed.run_ids, packed.run_id) @> run.run_id;

comment on view public.billing_records is 'One row per closed billing cycle of a published run.';

create view public.open_cycles as
select distinct on (open_cycle.user_id)
       open_cycle.user_id,
       open_cycle.next_cycle as next_cycle_number,
       open_cycle.calls::integer as calls,
       open_cycle.usage
  from meterfold.open_cycles open_cycle
  join meterfold.runs run on run.run_id = open_cycle.run_id and run.state = 'published'
 order by open_cycle.user_id, open_cycle.run_id desc;

comment on view public.open_cycles is 'Each user''s open cycle: the last calls, which are not billed yet.';

create view public.quarantined_calls as
select quarantined.log_position as id, quarantined.usage, quarantined.reason, quarantined.run_id
  from meterfold.quarantine quarantined
  join meterfold.runs run on run.run_id = quarantined.run_id and run.state = 'published';

comment on view public.quarantined_calls is 'Calls up to the watermark that cannot be billed, with the reason.';

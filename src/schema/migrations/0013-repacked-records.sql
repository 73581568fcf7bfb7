-- works with: 0006

-- Records of old runs, repacked: a row holds cycles of several runs of one user. Where runs are frequent, a row of meterfold.records
-- holds the one or two cycles that its run closed, and most of its bytes are overhead.
--
-- It inherits from meterfold.records, so that a build that does not know it still reads every cycle, with the right amount. run_id is the
-- newest of the row's runs; all of them bill by the same price, currency and calls per cycle. Only rows of runs that can no longer
-- be reverted or discarded are here: another published run was built on them.
create table meterfold.repacked_records (
  -- The row's runs in the order of their cycles, 64 bits each.
  run_ids    bit varying not null,
  -- One bit a cycle, set where a run's cycles begin: the run of a cycle is found by counting the bits up to it.
  run_starts bit varying not null,
  constraint repacked_records_pkey primary key (user_id, first_cycle),
  constraint repacked_records_run_starts_check check (length(run_starts) = length(usages) / 64 and get_bit(run_starts, 0) = 1),
  constraint repacked_records_run_ids_check check (length(run_ids) = 64 * bit_count(run_starts)
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

-- The run of the cycle at a place, from 1 on.
create function meterfold.run_at(run_ids bit varying, run_starts bit varying, place integer) returns bigint
  language sql immutable parallel safe
  return substring(run_ids, 64 * bit_count(substring(run_starts, 1, place))::integer - 63, 64)::bigint;

-- The runs between which all of a row's runs lie.
create function meterfold.run_range(run_ids bit varying, run_id bigint) returns int8range
  language sql immutable parallel safe
  return int8range(substring(run_ids, 1, 64)::bigint, run_id, '[]');

create index repacked_records_runs on meterfold.repacked_records using gist (meterfold.run_range(run_ids, run_id));
-- A delete from meterfold.records by run reads this table too. It finds nothing here, and must not have to read it all.
create index repacked_records_of_run on meterfold.repacked_records using brin (run_id) with (autosummarize = on);

-- Finished passes. The newest until_run_id tells the next pass which rows were already considered; a pass locks the table for each batch.
create table meterfold.repacks (
  repack_id    bigint generated always as identity primary key,
  until_run_id bigint not null,
  cycles       bigint not null,
  rows_before  bigint not null,
  rows_after   bigint not null,
  begun_at     timestamptz not null,
  finished_at  timestamptz not null default clock_timestamp()
);

create aggregate meterfold.concatenated(bit varying) (sfunc = bitcat, stype = bit varying, initcond = '', parallel = safe);

-- Two branches, so that a run's records are found by an index in both: by BRIN in the first, by the range of runs in the second.
create or replace view public.billing_records as
select packed.user_id,
       packed.first_cycle + cycle.place - 1 as cycle_number,
       run.calls_per_cycle::integer as calls,
       meterfold.number_at(packed.usages, cycle.place) as usage,
       meterfold.number_at(packed.usages, cycle.place) * run.price_per_unit as amount,
       run.currency,
       meterfold.number_at(packed.first_call_ids, cycle.place) as first_call_id,
       meterfold.number_at(packed.last_call_ids, cycle.place) as last_call_id,
       to_timestamp(meterfold.number_at(packed.first_called_micros, cycle.place) / float8 '1e6') as first_called_at,
       to_timestamp(meterfold.number_at(packed.last_called_micros, cycle.place) / float8 '1e6') as last_called_at,
       packed.run_id
  from only meterfold.records packed
  join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
 cross join lateral (select generate_series(1, length(packed.usages) / 64) as place limit 96) cycle
union all
select packed.user_id,
       packed.first_cycle + cycle.place - 1,
       run.calls_per_cycle::integer,
       meterfold.number_at(packed.usages, cycle.place),
       meterfold.number_at(packed.usages, cycle.place) * run.price_per_unit,
       run.currency,
       meterfold.number_at(packed.first_call_ids, cycle.place),
       meterfold.number_at(packed.last_call_ids, cycle.place),
       to_timestamp(meterfold.number_at(packed.first_called_micros, cycle.place) / float8 '1e6'),
       to_timestamp(meterfold.number_at(packed.last_called_micros, cycle.place) / float8 '1e6'),
       run.run_id
  from meterfold.repacked_records packed
 cross join lateral (select place, meterfold.run_at(packed.run_ids, packed.run_starts, place) as run_id
                       from generate_series(1, length(packed.usages) / 64) as place limit 96) cycle
  join meterfold.runs run on run.run_id = cycle.run_id and run.state = 'published'
                         and meterfold.run_range(packed.run_ids, packed.run_id) @> run.run_id;

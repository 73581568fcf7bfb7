-- What a run writes while it folds calls into cycles. Every row carries its run; rows of a run that is not
-- published do not exist for any reader.

-- Spills: a spill is one memory-full of a partition, the segments of all hash buckets in bucket order. bucket_index has 4,097 entries
-- of 8 bytes, (start in the spill, CRC-32 of the bucket): a shard reads those of its buckets with substring(), for which the index
-- must lie uncompressed, and then their segments. Unlogged, as the segments: they are no result, and a crash that empties them has
-- map begin anew.
create unlogged table meterfold.spills (
  run_id        bigint not null references meterfold.runs,
  partition     integer not null,
  spill         integer not null,
  base_position bigint not null,
  bucket_index  bytea not null,
  primary key (run_id, partition, spill)
);
alter table meterfold.spills alter column bucket_index set storage external;

-- Segments: what map hands to reduce, cut into pieces of 8,064 bytes, of which each fills a page: half the work of one large value
-- that PostgreSQL cuts into pieces of 2 KB itself.
create unlogged table meterfold.segments (
  run_id    bigint not null,
  partition integer not null,
  spill     integer not null,
  page      integer not null,
  data      bytea not null check (octet_length(data) <= 8064),
  primary key (run_id, partition, spill, page)
);
alter table meterfold.segments alter column data set storage plain;

-- Tails: a user's open cycle after a run that saw calls of that user. Append-only; the newest published one counts.
create table meterfold.open_cycles (
  run_id          bigint not null,
  next_cycle      bigint not null check (next_cycle >= 1),
  usage           bigint not null check (usage >= 0),
  first_call_id   bigint,
  first_called_at timestamptz,
  calls           smallint not null check (calls >= 0),
  user_id         text collate "C" not null,
  primary key (user_id, run_id),
  check ((calls = 0) = (first_call_id is null) and (calls = 0) = (first_called_at is null) and (calls > 0 or usage = 0))
);

create index open_cycles_of_run on meterfold.open_cycles using brin (run_id) with (pages_per_range = 32);

-- Billing records, packed: up to 96 consecutive cycles of one user that one run closed, in five bit strings of 64 bits a cycle; two full
-- rows fill a page. As bigint[] they would cost PostgreSQL half as much again to take in, number by number, and more to show.
-- Times are microseconds since 1970. The amount is usage × the run's price, computed in the view.
create table meterfold.records (
  run_id              bigint not null,
  first_cycle         bigint not null check (first_cycle >= 1),
  user_id             text collate "C" not null,
  usages              bit varying not null check (length(usages) between 64 and 96 * 64 and length(usages) % 64 = 0),
  first_call_ids      bit varying not null check (length(first_call_ids) = length(usages)),
  last_call_ids       bit varying not null check (length(last_call_ids) = length(usages)),
  first_called_micros bit varying not null check (length(first_called_micros) = length(usages)),
  last_called_micros  bit varying not null check (length(last_called_micros) = length(usages)),
  primary key (user_id, first_cycle)
);
alter table meterfold.records
  alter column usages set storage plain,
  alter column first_call_ids set storage plain,
  alter column last_call_ids set storage plain,
  alter column first_called_micros set storage plain,
  alter column last_called_micros set storage plain;

create index records_of_run on meterfold.records using brin (run_id) with (pages_per_range = 32);

-- A number of a packed record, by its place from 1 on.
create function meterfold.number_at(numbers bit varying, place integer) returns bigint
  language sql immutable parallel safe
  return substring(numbers, 64 * place - 63, 64)::bigint;

create view public.billing_records as
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
  from meterfold.records packed
  join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
 -- The limit tells the planner how many there can be.
 cross join lateral (select generate_series(1, length(packed.usages) / 64) as place limit 96) cycle;

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

comment on view public.open_cycles is 'Each user''s open cycle: its last calls, not billed yet.';

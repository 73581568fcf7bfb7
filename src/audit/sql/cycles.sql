-- The cycles of one group of users, recomputed from the log and compared with meterfold.records and
-- meterfold.open_cycles, in both directions. It returns one row: the users with calls after the retained position,
-- those without any, the cycles checked, the users of each run by its index, and the differences.
--
--   $1  mask of a user's hash             $2  its value for this group
--   $3  watermark                         $4  calls per cycle
--   $5  first log positions of the runs   $6  ids of the runs, in the same order
--   $7  position after which the newest run begins
--   $8  whether the open cycles that the newest run superseded must exist
--   $9  limit of differences              $10 whether the open cycles of the newest run must exist
--   $11 retained position, or 0           $12 ids of the runs up to there
--
-- retained: the log was released up to $11, and counting continues from meterfold.retained_open_cycles.
-- one_run:  only run $13 is checked, with the positions ($14, $15].

with call as (
  select id, user_id collate "C" as user_id, usage, called_at, hashtextextended(user_id collate "C", 0) as hash
    from public.api_logs
   where id > $11::bigint and hashtextextended(user_id collate "C", 0) & $1::bigint = $2
--#if one_run
         and user_id in (select user_id from public.api_logs where id > $14 and id <= $15)
--#end
  -- OFFSET is a fence: of calls in other groups, only the user is evaluated.
  offset 0
),
--#if retained
kept as (
  select * from meterfold.retained_open_cycles where hashtextextended(user_id, 0) & $1::bigint = $2
),
--#end
numbered as (
  -- The hash comes first, so that most comparisons of the sort compare numbers.
  select hash, user_id, id, usage, called_at, lead(id) over log_order as next_id,
--#if retained
         coalesce(kept.next_cycle, 1) as first_cycle,
         coalesce(kept.calls, 0) + row_number() over log_order - 1 as ordinal
--#else
         1 as first_cycle,
         row_number() over log_order - 1 as ordinal
--#end
    from (select * from call where id <= $3::bigint and :billable) call
--#if retained
    left join (select user_id, next_cycle, calls from kept) kept using (user_id)
--#end
  window log_order as (partition by hash, user_id order by id)
),
--#if retained
counted as materialized (
--#else
cycle as materialized (
--#end
  select user_id, first_cycle + ordinal / $4::bigint as number,
         count(*) as calls, sum(usage) as usage, min(id) as first_id, max(id) as last_id,
         min(called_at) filter (where ordinal % $4 = 0) as first_at,
         min(called_at) filter (where ordinal % $4 = $4 - 1) as last_at,
         bool_or(next_id is null) as is_last,
         -- The cycle as it was before the newest run.
         count(*) filter (where id <= $7) as calls_before, sum(usage) filter (where id <= $7) as usage_before,
         max(id) filter (where id <= $7) as last_id_before, bool_or(id <= $7 and next_id > $7) as is_last_before,
         -- The indexes of the runs whose last call of the user lies in this cycle.
         array_agg(width_bucket(id, $5::bigint[]))
           filter (where next_id is null or next_id >= ($5::bigint[])[width_bucket(id, $5::bigint[]) + 1]) as last_in
    from numbered
   group by hash, user_id, first_cycle, ordinal / $4
),
--#if retained
-- A cycle that was open at the retained position also includes the calls that it had there.
cycle as materialized (
  select own.user_id, own.number,
         own.calls + coalesce(kept.calls, 0) as calls, own.usage + coalesce(kept.usage, 0) as usage,
         coalesce(kept.first_call_id, own.first_id) as first_id, own.last_id,
         coalesce(kept.first_called_at, own.first_at) as first_at, own.last_at, own.is_last,
         own.calls_before + coalesce(kept.calls, 0) as calls_before,
         own.usage_before + coalesce(kept.usage, 0) as usage_before,
         own.last_id_before, own.is_last_before, own.last_in, own.first_id as first_seen_id
    from counted own
    left join kept on kept.user_id = own.user_id and kept.next_cycle = own.number and kept.calls > 0
), kept_unseen as (
  select kept.* from kept where not exists (select from cycle where cycle.user_id = kept.user_id)
),
--#end
closed as (
  select user_id, number, usage, first_id, last_id,
         (date_part('epoch', first_at) * 1000000)::bigint as first_micros,
         (date_part('epoch', last_at) * 1000000)::bigint as last_micros,
         ($6::bigint[])[width_bucket(last_id, $5::bigint[])] as run_id
    from cycle
   where calls = $4
), expected_open_cycle as (
  select user_id, ($6::bigint[])[width_bucket(last_id, $5::bigint[])] as run_id, $10::boolean as required,
         calls = $4 as is_closed, number, calls, usage, first_id, first_at
    from cycle
   where is_last
  union all
  select user_id, ($6::bigint[])[width_bucket(last_id_before, $5::bigint[])], $8::boolean, calls_before = $4,
         number, calls_before, usage_before, first_id, first_at
    from cycle
   where is_last_before
--#if retained
  union all
  -- Open cycles as they were at the retained position: of users without calls since then, and those that only the
  -- newest run has superseded.
  select user_id, run_id, $10::boolean, false, next_cycle, calls, usage, first_call_id, first_called_at
    from kept_unseen
  union all
  select kept.user_id, kept.run_id, $8::boolean, false, kept.next_cycle, kept.calls, kept.usage, kept.first_call_id,
         kept.first_called_at
    from kept
    join (select user_id, min(first_seen_id) as first_id from cycle group by user_id) seen using (user_id)
   where seen.first_id > $7::bigint
--#end
), open_cycle as (
  select user_id, run_id, required, number + is_closed::integer as next_cycle,
         case when is_closed then 0 else calls end as calls, case when is_closed then 0 else usage end as usage,
         case when not is_closed then first_id end as first_id, case when not is_closed then first_at end as first_at
    from expected_open_cycle
), published as (
  select unnest($6::bigint[]) as run_id
), released as (
  select unnest($12::bigint[]) as run_id
), packed as (
  select user_id, first_cycle, run_id, null::bit varying as run_ids, null::bit varying as run_starts,
         usages, first_call_ids, last_call_ids, first_called_micros, last_called_micros
    from only meterfold.records
   where hashtextextended(user_id, 0) & $1::bigint = $2
--#if one_run
         and run_id = $13
--#end
  union all
  select user_id, first_cycle, run_id, run_ids, run_starts,
         usages, first_call_ids, last_call_ids, first_called_micros, last_called_micros
    from meterfold.repacked_records
   where hashtextextended(user_id, 0) & $1::bigint = $2
--#if one_run
         and meterfold.run_range(run_ids, run_id) @> $13::bigint
--#end
), record_found as (
  -- This does not use the functions meterfold.number_at and meterfold.run_at, on which the views depend.
  select stored.*
    from (select packed.user_id, packed.first_cycle + own.index - 1 as number,
                 case when packed.run_starts is null then packed.run_id
                      else nullif(substring(packed.run_ids,
                                            64 * bit_count(substring(packed.run_starts, 1, own.index))::integer - 63, 64),
                                  B'')::bigint end as run_id,
                 nullif(substring(packed.usages, 64 * own.index - 63, 64), B'')::bigint as usage,
                 nullif(substring(packed.first_call_ids, 64 * own.index - 63, 64), B'')::bigint as first_id,
                 nullif(substring(packed.last_call_ids, 64 * own.index - 63, 64), B'')::bigint as last_id,
                 nullif(substring(packed.first_called_micros, 64 * own.index - 63, 64), B'')::bigint as first_micros,
                 nullif(substring(packed.last_called_micros, 64 * own.index - 63, 64), B'')::bigint as last_micros
            from packed
           cross join lateral (
                 -- If the bit strings differ in length, the longest one counts.
                 select generate_series(1, (greatest(length(packed.usages),
                                                     length(packed.first_call_ids), length(packed.last_call_ids),
                                                     length(packed.first_called_micros), length(packed.last_called_micros))
                                            + 63) / 64) as index
                  limit :record_cycles_max) own) stored
    join published using (run_id)
--#if one_run
   where stored.run_id = $13
--#end
), open_cycle_found as (
  select stored.*
    from meterfold.open_cycles stored
    join (select run_id from published union all select run_id from released) ended using (run_id)
   where hashtextextended(stored.user_id, 0) & $1::bigint = $2
--#if one_run
         and stored.run_id = $13
--#end
--#if retained
         -- An open cycle that the run at the retained position has superseded may exist until the next run.
         and not exists (select from kept
                          where kept.user_id = stored.user_id and stored.run_id < kept.run_id and $11::bigint = $3::bigint)
--#end
), record_difference as (
  select 'records' as "check", coalesce(found.run_id, expected.run_id)::text as run, user_id as "user",
         number::text as cycle, null as call, item.*
    from (select *
            from closed
--#if one_run
           where run_id = $13
--#end
         ) expected
    full join record_found found using (user_id, number)
   cross join lateral (
         select null as "column",
                format('calls %s to %s, usage %s', expected.first_id, expected.last_id, expected.usage) as expected,
                null as found
          where found.run_id is null
         union all
         select null, null, format('calls %s to %s, usage %s', found.first_id, found.last_id, found.usage)
          where expected.run_id is null
         union all
         select differing.*
           from (values ('usages', expected.usage::text, found.usage::text),
                        ('first_call_ids', expected.first_id::text, found.first_id::text),
                        ('last_call_ids', expected.last_id::text, found.last_id::text),
                        ('first_called_micros', expected.first_micros::text, found.first_micros::text),
                        ('last_called_micros', expected.last_micros::text, found.last_micros::text),
                        ('run_id', expected.run_id::text, found.run_id::text)
                ) as differing ("column", expected, found)
          where found.run_id is not null and expected.run_id is not null
            and differing.expected is distinct from differing.found
         ) item
   where (expected.run_id, expected.usage, expected.first_id, expected.last_id, expected.first_micros, expected.last_micros)
         is distinct from (found.run_id, found.usage, found.first_id, found.last_id, found.first_micros, found.last_micros)
   order by user_id, number
   limit $9
), open_cycle_difference as (
  select 'open_cycles' as "check", run_id::text as run, user_id as "user", null as cycle, null as call, item.*
    from (select *
            from open_cycle
--#if one_run
           where run_id = $13
--#end
         ) expected
    full join open_cycle_found found using (user_id, run_id)
   cross join lateral (
         select null as "column", format('%s calls of cycle %s', expected.calls, expected.next_cycle) as expected,
                null as found
          where found.next_cycle is null and expected.required
         union all
         select null, null, format('%s calls of cycle %s', found.calls, found.next_cycle)
          where expected.next_cycle is null
         union all
         select differing.*
           from (values ('next_cycle', expected.next_cycle::text, found.next_cycle::text),
                        ('calls', expected.calls::text, found.calls::text),
                        ('usage', expected.usage::text, found.usage::text),
                        ('first_call_id', expected.first_id::text, found.first_call_id::text),
                        ('first_called_at', expected.first_at::text, found.first_called_at::text)
                ) as differing ("column", expected, found)
          where found.next_cycle is not null and expected.next_cycle is not null
            and differing.expected is distinct from differing.found
         ) item
   where (expected.next_cycle, expected.calls, expected.usage, expected.first_id, expected.first_at)
         is distinct from (found.next_cycle, found.calls, found.usage, found.first_call_id, found.first_called_at)
   order by user_id, run_id
   limit $9
)
select (select count(*) from cycle where is_last) as users,
--#if retained
       (select count(*) from kept_unseen) as "usersUnseen",
--#else
       0 as "usersUnseen",
--#end
       (select count(*)
          from closed
--#if one_run
         where run_id = $13
--#end
       ) as cycles,
       (select coalesce(json_object_agg(run_index, users), '{}')
          from (select run_index, count(*) as users
                  from cycle, unnest(last_in) as run_index
                 group by run_index) own) as "usersOfRuns",
       (select coalesce(json_agg(difference), '[]')
          from (select * from record_difference union all select * from open_cycle_difference) difference) as differences

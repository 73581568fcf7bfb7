-- WITH clause: `open_cycle` has the open cycles at the end of a part of the history, of the users with calls in that
-- part.
--
--   $1 and $2  the runs of the part: after run $1 up to run $2    $3 and $4  its log positions: after $3 up to $4
--   $5 ids and $6 first log positions of its runs
--
-- A cycle that began before the part continues from meterfold.retained_open_cycles. The calls of an open cycle are
-- those after the last call of the user's last billing record, which verify has compared with the log.
--
-- Plan: records are hashed by user, the log is read once in its range and hash-joined with them, and both are
-- aggregated by hash; the log is not sorted. A hash that exceeds work_mem spills to disk. src/audit/retain.ts sets the
-- session so that PostgreSQL chooses this plan. By default it expects few users, because it cannot estimate the
-- condition of billable calls, and uses a nested loop: 65 s for 1.5 million calls of 200,000 users.
with closed as (
  select user_id, max(cycle_number) as number, max(last_call_id) as last_id
    from public.billing_records
   where run_id > $1 and run_id <= $2
   group by user_id
), call as (
  select id, user_id collate "C" as user_id, usage, called_at
    from public.api_logs
   where id > $3 and id <= $4 and :billable
), seen as (
  select call.user_id, max(call.id) as last_id, max(call.called_at) as newest_called_at,
         count(*) filter (where call.id > coalesce(closed.last_id, 0)) as calls,
         coalesce(sum(call.usage) filter (where call.id > coalesce(closed.last_id, 0)), 0) as usage,
         min(array[call.id, (date_part('epoch', call.called_at) * 1000000)::bigint])
           filter (where call.id > coalesce(closed.last_id, 0)) as first
    from call
    left join closed using (user_id)
   group by call.user_id
), open_cycle as (
  select ($5::bigint[])[width_bucket(seen.last_id, $6::bigint[])] as run_id,
         coalesce(closed.number + 1, kept.next_cycle, 1) as next_cycle,
         (seen.usage + coalesce(begun.usage, 0))::bigint as usage,
         coalesce(begun.first_call_id, seen.first[1]) as first_call_id,
         coalesce(begun.first_called_at,
                  timestamptz '1970-01-01 00:00:00+00' + seen.first[2] * interval '1 microsecond') as first_called_at,
         (seen.calls + coalesce(begun.calls, 0))::smallint as calls,
         seen.user_id
    from seen
    left join closed using (user_id)
    left join meterfold.retained_open_cycles kept using (user_id)
    -- The cycle that was open before the part, unless the part closed it.
    left join meterfold.retained_open_cycles begun
           on begun.user_id = seen.user_id and begun.calls > 0 and closed.user_id is null
)

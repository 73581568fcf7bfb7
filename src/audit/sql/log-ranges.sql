-- The log, counted and digested by the range of each run.
--
--   $1 first log positions of the runs    $2 last position to read    $3 position after which to read
--
-- run_index is the index of the run in $1, from 1; 0 is before the first run. `written` says how many transactions ago
-- the row version was written: age() is signed and has 32 bits.
with call as (
  select width_bucket(id, $1::bigint[]) as run_index, id, user_id collate "C" as user_id, usage,
         (:billable) is true as is_billable,
         age(xmin)::bigint & 4294967295 as written
    from public.api_logs
   where id > $3 and id <= $2
)
select run_index as "runIndex",
       count(*) filter (where is_billable) as calls,
       coalesce(sum(usage) filter (where is_billable), 0) as usage,
       -- A digest is the sum of hashes mod 2^64. The sum of bigint is exact.
       coalesce(sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)) filter (where is_billable), 0) as digest,
       count(*) filter (where not is_billable) as "badCalls",
       coalesce(sum(usage) filter (where not is_billable), 0) as "badUsage",
       min(written) as newest,
       max(written) as oldest
  from call
 group by run_index
 order by run_index

-- The figures of each published run against the sums of the outcomes of its map, reduce and recount tasks.
-- $1 the only run, or null; $4 the last run, or null.
--
-- `entry` has every figure of every outcome as text; a value that is no whole number or digest counts as missing. A
-- digest has 16 hexadecimal digits; digests are summed mod 2^64, of which bigint is the signed form.
with entry as (
  select task.run_id, task.kind, figure.key as name, figure.value
    from meterfold.tasks task
   cross join lateral jsonb_each_text(case when jsonb_typeof(task.outcome) = 'object' then task.outcome end) figure
   where ($1::bigint is null or task.run_id = $1) and ($4::bigint is null or task.run_id <= $4)
), total as (
  select run_id, kind || ' ' || name as name,
         sum(case when value ~ '^-?[0-9]{1,60}$' then value::numeric end) as total
    from entry
   where name <> 'digest'
   group by run_id, kind, name
), digest as (
  select run_id, kind,
         mod(mod(sum(case when value ~ '^[0-9a-f]{16}$' then ('x' || value)::bit(64)::bigint end), 18446744073709551616)
               + 18446744073709551616, 18446744073709551616) as digest
    from entry
   where name = 'digest'
   group by run_id, kind
), outcome as (
  select run_id,
         coalesce((select jsonb_object_agg(name, total) from total where total.run_id = run.run_id), '{}') as totals,
         coalesce((select jsonb_object_agg(kind, lpad(to_hex((digest - case when digest >= 9223372036854775808
                                                                            then 18446744073709551616
                                                                            else 0 end)::bigint), 16, '0'))
                     from digest where digest.run_id = run.run_id), '{}') as digests
    from meterfold.runs run
)
select run.run_id, 'outcome: ' || own.figure, own.expected, own.found
  from meterfold.runs run
  join outcome using (run_id)
 cross join lateral (values
       ('calls of map', run.calls::text, coalesce(totals ->> 'map calls', '0')),
       ('usage of map', trim_scale(run.usage)::text, coalesce(totals ->> 'map usage', '0')),
       ('quarantinedCalls of map', run.quarantined_calls::text, coalesce(totals ->> 'map quarantinedCalls', '0')),
       ('quarantinedUsage of map', trim_scale(run.quarantined_usage)::text,
                                   coalesce(totals ->> 'map quarantinedUsage', '0')),
       ('digest of map', run.proof ->> 'digest', coalesce(digests ->> 'map', '0000000000000000')),
       ('calls of reduce', run.calls::text, coalesce(totals ->> 'reduce calls', '0')),
       ('usage of reduce', trim_scale(run.usage)::text, coalesce(totals ->> 'reduce usage', '0')),
       ('users of reduce', run.users::text, coalesce(totals ->> 'reduce users', '0')),
       ('cycles of reduce', run.cycles::text, coalesce(totals ->> 'reduce cycles', '0')),
       ('billedUsage of reduce', trim_scale(run.billed_usage)::text, coalesce(totals ->> 'reduce billedUsage', '0')),
       ('digest of reduce', run.proof ->> 'digest', coalesce(digests ->> 'reduce', '0000000000000000')),
       ('carriedOutCalls less carriedInCalls of reduce', (run.carried_out_calls - run.carried_in_calls)::text,
        (coalesce((totals ->> 'reduce carriedOutCalls')::numeric, 0)
           - coalesce((totals ->> 'reduce carriedInCalls')::numeric, 0))::text),
       ('carriedOutUsage less carriedInUsage of reduce', trim_scale(run.carried_out_usage - run.carried_in_usage)::text,
        (coalesce((totals ->> 'reduce carriedOutUsage')::numeric, 0)
           - coalesce((totals ->> 'reduce carriedInUsage')::numeric, 0))::text),
       ('calls of recount', (run.calls + run.quarantined_calls)::text, coalesce(totals ->> 'recount calls', '0')),
       ('usage of recount', trim_scale(run.usage + run.quarantined_usage)::text,
                            coalesce(totals ->> 'recount usage', '0'))
       ) as own (figure, expected, found)
 where run.state = 'published'

-- Each released point against its run, the runs that it released, and its link in the chain. $1 limit.
select 'retentions' as "check", point.run_id::text as run, null as "user", null as cycle, null as call,
       own.column, own.expected, own.found
  from (select retention.*,
               lag(run_id, 1, 0::bigint) over points as after_run_id,
               lag(position, 1, 0::bigint) over points as previous_position,
               run_id = max(run_id) over () as is_newest
          from meterfold.retentions retention
        window points as (order by run_id)) point
  left join meterfold.runs run using (run_id)
  left join meterfold.chain link on link.run_id = point.run_id and link.event = 'retained'
  left join lateral (
       select count(*) as runs, coalesce(sum(calls), 0) as calls, coalesce(sum(usage), 0) as usage,
              coalesce(sum(quarantined_calls), 0) as quarantined_calls, coalesce(sum(cycles), 0) as cycles,
              mod(sum(case when proof ->> 'digest' ~ '^[0-9a-f]{16}$'
                           then mod(('x' || (proof ->> 'digest'))::bit(64)::bigint + 18446744073709551616::numeric,
                                    18446744073709551616) end), 18446744073709551616) as digest
         from meterfold.runs released
        where state = 'published' and run_id > point.after_run_id and run_id <= point.run_id) released on true
 cross join lateral (values
       ('state of its run', 'published', coalesce(run.state, 'unknown')),
       ('position', run.sealed_end::text, point.position::text),
       ('after_position', point.previous_position::text, point.after_position::text),
       ('runs', released.runs::text, point.runs::text),
       ('calls', released.calls::text, point.calls::text),
       ('usage', trim_scale(released.usage)::text, trim_scale(point.usage)::text),
       ('quarantined_calls', released.quarantined_calls::text, point.quarantined_calls::text),
       ('cycles', released.cycles::text, point.cycles::text),
       ('log_digest',
        lpad(to_hex((case when released.digest >= 9223372036854775808
                          then released.digest - 18446744073709551616 else released.digest end)::bigint), 16, '0'),
        point.log_digest),
       ('open_calls', case when point.is_newest then run.carried_out_calls::text end,
                      case when point.is_newest then point.open_calls::text end),
       ('open_usage', case when point.is_newest then trim_scale(run.carried_out_usage)::text end,
                      case when point.is_newest then trim_scale(point.open_usage)::text end),
       ('its link in the chain', meterfold.retention_digest(point.run_id)::text, link.digest::text)
       ) own ("column", expected, found)
 where own.expected is distinct from own.found
union all
select 'retentions', link.run_id::text, null, null, null, null, 'a retained point', null
  from meterfold.chain link
 where link.event = 'retained' and not exists (select from meterfold.retentions point where point.run_id = link.run_id)
 order by run
 limit $1

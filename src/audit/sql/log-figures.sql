-- The figures of runs against those of the log in their ranges.
--
--   $1 to $6 arrays of the log's figures: run ids, calls, usage, digests, bad calls, usage of bad calls    $7 limit
select 'runs' as "check", run.run_id as run, null as "user", null as cycle, null as call,
       figure.column, figure.expected, figure.found
  from unnest($1::bigint[], $2::bigint[], $3::numeric[], $4::text[], $5::bigint[], $6::numeric[])
       as log (run_id, calls, usage, digest, bad_calls, bad_usage)
  join meterfold.runs run on run.run_id = log.run_id and run.state = 'published'
 cross join lateral (values
       ('calls', log.calls::text, run.calls::text),
       ('usage', log.usage::text, trim_scale(run.usage)::text),
       ('proof: digest', log.digest, run.proof ->> 'digest'),
       ('quarantined_calls', log.bad_calls::text, run.quarantined_calls::text),
       ('quarantined_usage', log.bad_usage::text, trim_scale(run.quarantined_usage)::text)
       ) as figure ("column", expected, found)
 where figure.expected is distinct from figure.found
 order by run.run_id
 limit $7

-- The last link of each run against the run's row. "column" is null if a row is missing.
select coalesce(link.run_id, run.run_id), own.*
  from (select distinct on (run_id) run_id, event, digest
          from meterfold.chain
         where event <> 'retained'
         order by run_id, number desc) link
  full join meterfold.runs run on run.run_id = link.run_id
 cross join lateral (
       select null, format('a run that was %s', link.event), null where run.run_id is null
       union all
       select 'its link in the chain', run.state, null where link.run_id is null and run.state <> 'active'
       union all
       select differing.*
         from (values ('state', link.event, run.state),
                      ('row_digest', link.digest::text, run.row_digest::text)) as differing
        where link.run_id is not null and run.run_id is not null) own ("column", expected, found)

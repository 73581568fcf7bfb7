-- How many calls of each run are quarantined and cannot be billed.
select quarantined.run_id as "runId", count(*) as calls
  from meterfold.quarantine quarantined
  join public.api_logs call on call.id = quarantined.log_position
 where :reason is not null
 group by quarantined.run_id

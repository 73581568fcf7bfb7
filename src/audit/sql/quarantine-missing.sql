-- Calls with positions ($1, $2] of run $3 that cannot be billed and are not quarantined. $4 limit.
select 'quarantine' as "check", $3::text as run, call.user_id as "user", null as cycle, call.id as call,
       null as "column", :reason as expected, null as found
  from public.api_logs call
 where call.id > $1 and call.id <= $2 and :reason is not null
   and not exists (select from meterfold.quarantine quarantined where quarantined.log_position = call.id)
 order by call.id
 limit $4

-- Quarantined calls against the log: they must be in it, and it must not be possible to bill them.
--
--   $1 ids and $2 first log positions of the runs    $3 the only run, or null    $4 limit
--   $5 retained position, or 0                       $6 the last run to check, or null
select 'quarantine' as "check", quarantined.run_id as run, call.user_id as "user", null as cycle,
       quarantined.log_position as call, item.column, item.expected, item.found
  from meterfold.quarantine quarantined
  left join public.api_logs call on call.id = quarantined.log_position
 cross join lateral (
       select :reason as reason,
              ($1::bigint[])[width_bucket(quarantined.log_position, $2::bigint[])] as run_id) expected
 cross join lateral (
       select null as "column", null as expected, 'a call that is not in the log' as found where call.id is null
       union all
       select null, null, 'a call that can be billed' where call.id is not null and expected.reason is null
       union all
       select differing.*
         from (values ('usage', call.usage::text, quarantined.usage::text),
                      ('reason', expected.reason, quarantined.reason),
                      ('run_id', expected.run_id::text, quarantined.run_id::text)
              ) as differing ("column", expected, found)
        where call.id is not null and expected.reason is not null
          and differing.expected is distinct from differing.found) item
 where quarantined.run_id in (select run_id from meterfold.runs where state = 'published')
   and ($3::bigint is null or quarantined.run_id = $3)
   -- Released calls are checked by their digest instead.
   and (quarantined.log_position > $5 or quarantined.run_id = any ($1))
   and ($6::bigint is null or quarantined.run_id <= $6)
 order by quarantined.log_position
 limit $4

-- The whole job as one statement.
insert into public.baseline_sql
select user_id, cycle, count(*), sum(usage), sum(usage) * 0.0004
from (select user_id, usage, (row_number() over (partition by user_id order by id) - 1) / 5 as cycle from public.api_logs) call
group by 1, 2

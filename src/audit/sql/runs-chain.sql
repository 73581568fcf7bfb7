-- Each published run begins where the previous one ended, and so does the run in progress. $2 calls per cycle, or null.
select link.run_id, own.*
  from (select run.*,
               lag(run_id) over chain as before_id, lag(sealed_end) over chain as before_end,
               lag(carried_out_calls) over chain as before_calls, lag(carried_out_usage) over chain as before_usage
          from meterfold.runs run
         where state in ('published', 'active')
        window chain as (order by run_id)) link
 cross join lateral (values
       ('previous_run_id', link.before_id::text, link.previous_run_id::text),
       ('watermark', coalesce(link.before_end, 0)::text, link.watermark::text),
       -- Before the first run is published, any number is right.
       ('calls_per_cycle', coalesce($2::integer, link.calls_per_cycle)::text, link.calls_per_cycle::text),
       ('carried_in_calls', case state when 'published' then coalesce(link.before_calls, 0)::text end,
                            link.carried_in_calls::text),
       ('carried_in_usage', case state when 'published' then trim_scale(coalesce(link.before_usage, 0))::text end,
                            trim_scale(link.carried_in_usage)::text)
       ) own

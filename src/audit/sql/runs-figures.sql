-- The billed figures of each published run against the view of billing records; the carried-out figures follow from
-- them. $1 the only run, or null; $2 calls per cycle; $4 the last run, or null.
--
-- The multiplication of usage and price is repeated here on purpose: it checks meterfold.amount_of, which the view
-- uses.
select run.run_id, own.*
  from meterfold.runs run
  left join (select run_id, count(*) as cycles, sum(usage) as usage, sum(amount) as amount,
                    min(currency) as currency, max(currency) as other_currency
               from public.billing_records
              where ($1::bigint is null or run_id = $1) and ($4::bigint is null or run_id <= $4)
              group by run_id) shown using (run_id)
 cross join lateral (values
       ('cycles', coalesce(shown.cycles, 0)::text, run.cycles::text),
       ('billed_usage', coalesce(shown.usage, 0)::text, trim_scale(run.billed_usage)::text),
       ('amount', trim_scale(coalesce(shown.usage, 0) * run.price_per_unit)::text, trim_scale(run.amount)::text),
       ('amount', trim_scale(coalesce(shown.amount, 0))::text, trim_scale(run.amount)::text),
       ('currency', coalesce(shown.currency, run.currency), run.currency),
       ('currency', coalesce(shown.other_currency, run.currency), run.currency),
       ('carried_out_calls', (run.carried_in_calls + run.calls - $2::integer * run.cycles)::text,
                             run.carried_out_calls::text),
       ('carried_out_usage', trim_scale(run.carried_in_usage + run.usage - run.billed_usage)::text,
                             trim_scale(run.carried_out_usage)::text)
       ) own
 where run.state = 'published'

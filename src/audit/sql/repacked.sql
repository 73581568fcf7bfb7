-- The terms of all runs of each repacked row. $1 the only run, or null; $2 limit.
with terms as (
  select run_id, :terms_key as terms
    from meterfold.runs run
   where state = 'published'
), packed as (
  select user_id, first_cycle, run_id, run_ids
    from meterfold.repacked_records packed
   where $1::bigint is null or meterfold.run_range(run_ids, run_id) @> $1::bigint
)
select 'repacked_records' as "check", packed.run_id::text as run, packed.user_id as "user",
       packed.first_cycle::text as cycle, null as call, item.*
  from (select packed.user_id, packed.first_cycle, packed.run_id,
               substring(packed.run_ids, length(packed.run_ids) - 63, 64)::bigint as newest,
               max(row_terms.terms) as expected, min(own_terms.terms) as least, max(own_terms.terms) as most
          from packed
         cross join lateral generate_series(1, length(packed.run_ids) / 64) as own (index)
          left join terms row_terms on row_terms.run_id = packed.run_id
          left join terms own_terms
                 on own_terms.run_id = nullif(substring(packed.run_ids, 64 * own.index - 63, 64), B'')::bigint
         group by packed.user_id, packed.first_cycle, packed.run_id, packed.run_ids) packed
 cross join lateral (values
       ('run_id', packed.newest::text, packed.run_id::text),
       ('terms', packed.expected, packed.least),
       ('terms', packed.expected, packed.most)
       ) as item ("column", expected, found)
 where item.expected is distinct from item.found
 order by packed.user_id, packed.first_cycle
 limit $2

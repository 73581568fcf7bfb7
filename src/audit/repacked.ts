/**
 * Repacked rows against their runs: statements price a row by its run_id, so all runs of a row must have the terms of that one. Which
 * run has closed a cycle is compared with the log in verify-cycles.ts.
 */
import type { Client } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';

const TERMS = "concat_ws(' ', price_per_unit, currency, calls_per_cycle)";

export async function checkRepacked(client: Client, { runId, differencesMax }: Scope): Promise<Difference[]> {
  const { rows } = await client.query<Difference>(
    `with terms as (
       select run_id, ${TERMS} as terms from meterfold.runs where state = 'published'
     ), packed as (
       select user_id, first_cycle, run_id, run_ids
         from meterfold.repacked_records packed
        where $1::bigint is null or meterfold.run_range(run_ids, run_id) @> $1::bigint
     )
     select 'repacked_records' as "check", packed.run_id::text as run, packed.user_id as "user", packed.first_cycle::text as cycle,
            null as call, item.*
       from (select packed.user_id, packed.first_cycle, packed.run_id,
                    substring(packed.run_ids, length(packed.run_ids) - 63, 64)::bigint as newest,
                    max(row_terms.terms) as expected, min(own_terms.terms) as least, max(own_terms.terms) as most
               from packed
              cross join lateral generate_series(1, length(packed.run_ids) / 64) as own (place)
               left join terms row_terms on row_terms.run_id = packed.run_id
               left join terms own_terms
                      on own_terms.run_id = nullif(substring(packed.run_ids, 64 * own.place - 63, 64), B'')::bigint
              group by packed.user_id, packed.first_cycle, packed.run_id, packed.run_ids) packed
      cross join lateral (values
            ('run_id', packed.newest::text, packed.run_id::text),
            ('terms', packed.expected, packed.least),
            ('terms', packed.expected, packed.most)
            ) as item ("column", expected, found)
      where item.expected is distinct from item.found
      order by packed.user_id, packed.first_cycle
      limit $2`,
    [runId ?? null, differencesMax],
  );
  return rows;
}

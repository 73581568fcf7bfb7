/**
 * Rows that must not exist: duplicates, and rows of a run that is neither published nor in progress.
 *
 * `seals` and `attempts` are not checked: both may outlive their run if an activity that was given up resumes late.
 */
import { type Client, one } from '../postgres/pool.js';
import { RUN_TABLES, type RunTable } from '../schema/tables.js';
import type { Difference, Scope } from './scope.js';

const KEYS: readonly { table: string; columns: readonly string[] }[] = [
  { table: 'public.api_logs', columns: ['id'] },
  { table: 'meterfold.runs', columns: ['run_id'] },
  { table: 'meterfold.tasks', columns: ['run_id', 'kind', 'number'] },
  { table: 'meterfold.records', columns: ['user_id', 'first_cycle'] },
  { table: 'meterfold.repacked_records', columns: ['user_id', 'first_cycle'] },
  { table: 'meterfold.open_cycles', columns: ['user_id', 'run_id'] },
  { table: 'meterfold.quarantine', columns: ['log_position'] },
];

/** Finds duplicate rows in tables without a unique index on their key. */
export async function checkKeys(client: Client, { differencesMax }: Scope, notes: string[]): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (const { table, columns } of KEYS) {
    const { rowCount: indexes } = await client.query(
      `select from pg_index index
        where index.indrelid = $1::regclass and index.indisunique and index.indisvalid and index.indpred is null
          and index.indexprs is null and index.indnkeyatts = cardinality($2::text[])
          and (select array_agg(attribute.attname::text order by attribute.attname)
                 from pg_attribute attribute
                where attribute.attrelid = index.indrelid and attribute.attnum = any (index.indkey))
              = (select array_agg(name order by name) from unnest($2::text[]) as name)`,
      [table, columns],
    );
    if (indexes !== 0) continue;
    const key = columns.join(', ');
    notes.push(`${table} has no unique index on (${key}): its rows were searched for duplicates instead.`);
    const { rows } = await client.query<Record<string, string>>(
      `select ${key}, count(*) as rows from ${table} group by ${key} having count(*) > 1 order by ${key} limit $1`,
      [differencesMax],
    );
    for (const row of rows) {
      differences.push({
        check: table.split('.')[1]!,
        run: row.run_id ?? null,
        user: row.user_id ?? null,
        cycle: row.first_cycle ?? null,
        call: row.id ?? row.log_position ?? null,
        column: null,
        expected: 'one row',
        found: `${row.rows} rows${row.kind === undefined ? '' : ` of ${row.kind} task ${row.number}`}`,
      });
    }
  }
  return differences;
}

const leftoversOf = ({ name, states }: RunTable) => `
       select '${name}' as table, own.run_id, own.rows, run.state
         from (select run_id, count(*) as rows
                 from meterfold.${name}
                where $1::bigint is null or run_id = $1
                group by run_id) own
         left join lateral (
              select state from meterfold.runs run where run.run_id = own.run_id order by state limit 1) run on true
        where run.state is null or run.state not in (${states.map((state) => `'${state}'`).join(', ')})`;

/** Finds rows of runs that are discarded, reverted or unknown, and of runs in progress that lack their lease. */
export async function checkLeftovers(client: Client, { runId, differencesMax }: Scope): Promise<Difference[]> {
  const { inRecovery } = one(await client.query<{ inRecovery: boolean }>('select pg_is_in_recovery() as "inRecovery"'));
  const tables = RUN_TABLES.filter(({ isUnlogged, mayOutliveRun }) => !mayOutliveRun && !(isUnlogged && inRecovery));
  const { rows } = await client.query<Difference>(
    `select left_over.table as "check", run_id as run, null as "user", null as cycle, null as call, null as "column",
            null as expected,
            format('%s of a run that is %s', case rows when 1 then '1 row' else rows || ' rows' end,
                   coalesce(state, 'unknown')) as found
       from (${tables.map(leftoversOf).join('\n       union all')}
            ) left_over
      order by run_id, left_over.table
      limit $2`,
    [runId ?? null, differencesMax],
  );
  const leaseless = await client.query<Difference>(
    `select 'leases' as "check", run_id as run, null as "user", null as cycle, null as call, null as "column",
            'a row of the run in progress' as expected, null as found
       from meterfold.runs
      where state = 'active' and $1::bigint is null and run_id not in (select run_id from meterfold.leases)`,
    [runId ?? null],
  );
  return [...rows, ...leaseless.rows];
}

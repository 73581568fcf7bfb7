/**
 * What `meterfold retain` has stored, against what remains of the released part: the rows of its runs, their billing
 * records and their quarantined calls. The calls of that part are not read, because they may be gone.
 */
import type { Client } from '../postgres/pool.js';
import { digestQuarantine, digestRecords, readOpenCyclesFigures } from './retention-figures.js';
import type { Difference, Scope } from './scope.js';
import { sql } from './sql.js';

const pointsSql = sql('retention-points');

interface RetentionRow {
  runId: string;
  afterRunId: string;
  recordsDigest: string;
  quarantineDigest: string;
  users: string;
  openCalls: string;
  openUsage: string;
  openCyclesDigest: string;
}

const difference = (check: string, run: string, column: string, expected: string, found: string): Difference[] =>
  expected === found ? [] : [{ check, run, user: null, cycle: null, call: null, column, expected, found }];

/** Checks the whole history, and nothing if only one run is checked. */
export async function checkRetention(client: Client, { runId, differencesMax }: Scope): Promise<Difference[]> {
  if (runId !== undefined) return [];
  const { rows: differences } = await client.query<Difference>(pointsSql, [differencesMax]);
  const { rows: points } = await client.query<RetentionRow>(
    `select run_id as "runId", lag(run_id, 1, 0::bigint) over (order by run_id) as "afterRunId",
            records_digest as "recordsDigest", quarantine_digest as "quarantineDigest",
            users, open_calls as "openCalls", open_usage as "openUsage", open_cycles_digest as "openCyclesDigest"
       from meterfold.retentions
      order by run_id`,
  );
  for (const point of points) {
    const records = await digestRecords(client, point);
    const quarantine = await digestQuarantine(client, point);
    const released = `digest of runs ${BigInt(point.afterRunId) + 1n} to ${point.runId}`;
    differences.push(
      ...difference('records', point.runId, released, point.recordsDigest, records.digest),
      ...difference('quarantine', point.runId, released, point.quarantineDigest, quarantine.digest),
    );
  }
  return [...differences, ...(await checkOpenCycles(client, points.at(-1)))].slice(0, differencesMax);
}

/** The state from which verify continues. */
async function checkOpenCycles(client: Client, point: RetentionRow | undefined): Promise<Difference[]> {
  const openCycles = await readOpenCyclesFigures(client);
  const run = point?.runId ?? '0';
  return [
    ...difference('retained_open_cycles', run, 'rows', point?.users ?? '0', openCycles.users),
    ...difference('retained_open_cycles', run, 'sum of calls', point?.openCalls ?? '0', openCycles.openCalls),
    ...difference('retained_open_cycles', run, 'sum of usage', point?.openUsage ?? '0', openCycles.openUsage),
    ...difference(
      'retained_open_cycles',
      run,
      'digest',
      point?.openCyclesDigest ?? '0'.repeat(16),
      openCycles.openCyclesDigest,
    ),
  ];
}

/**
 * Quarantine against the log: quarantined calls cannot be billed, and every call up to the watermark that cannot be
 * billed is quarantined.
 */
import type { Client } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';
import { sql } from './sql.js';

const quarantineSql = sql('quarantine');
const countsSql = sql('quarantine-counts');
const missingSql = sql('quarantine-missing');

/** `badCallsOf` returns how many calls in a run's range of the log cannot be billed. */
export async function checkQuarantine(
  client: Client,
  scope: Scope,
  badCallsOf: (runId: string) => string,
): Promise<Difference[]> {
  const { history, runId, differencesMax } = scope;
  const { rows } = await client.query<Difference>(quarantineSql, [
    history.runIds,
    history.starts,
    runId ?? null,
    differencesMax,
    history.after,
    history.untilRunId ?? null,
  ]);
  return [...rows, ...(await missing(client, scope, badCallsOf))];
}

/**
 * Calls that should be quarantined. The log is searched only in the ranges of runs that have quarantined too few calls.
 */
async function missing(
  client: Client,
  { history, runId, differencesMax }: Scope,
  badCallsOf: (runId: string) => string,
): Promise<Difference[]> {
  const { rows: counts } = await client.query<{ runId: string; calls: string }>(countsSql);
  const quarantinedOf = new Map(counts.map((row) => [row.runId, row.calls]));
  const differences: Difference[] = [];
  for (const run of history.runs) {
    if (runId !== undefined && run.runId !== runId) continue;
    if (badCallsOf(run.runId) === (quarantinedOf.get(run.runId) ?? '0') || differences.length >= differencesMax)
      continue;
    const values = [run.watermark, run.sealedEnd, run.runId, differencesMax - differences.length];
    differences.push(...(await client.query<Difference>(missingSql, values)).rows);
  }
  return differences;
}

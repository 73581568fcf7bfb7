/**
 * Repacked rows against their runs. Statements price a row by its run_id, so all runs of a row must have the same
 * terms. cycles.ts compares the run of each cycle with the log.
 */
import type { Client } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';
import { sql } from './sql.js';

const repackedSql = sql('repacked');

export async function checkRepacked(client: Client, { runId, differencesMax }: Scope): Promise<Difference[]> {
  return (await client.query<Difference>(repackedSql, [runId ?? null, differencesMax])).rows;
}

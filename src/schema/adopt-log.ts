/**
 * Adopts a log that existed before meterfold, if it can be billed from (src/log/faults.ts has the conditions). Only one
 * CHECK is added, with the limits of 0001-log.sql. Otherwise nothing is changed, and the error lists what to fix.
 *
 * The CHECK is added NOT VALID, which takes a moment. The next transaction validates it while writers continue.
 */
import { logFaults } from '../log/faults.js';
import type { LogFault } from '../log/ids.js';
import type { Client } from '../postgres/pool.js';
import { MigrationError } from './migration-error.js';

/** Rows of the log violate the CHECK that was added; releaseLog() removes it. */
export class UnbillableCallsError extends MigrationError {}

/**
 * Runs one step, in a transaction of its own; true once the log is adopted. Throws MigrationError,
 * UnbillableCallsError.
 */
export async function adoptLog(client: Client): Promise<boolean> {
  const faults = await logFaults(client);
  if (faults.length > 0) throw new MigrationError(unfitLogMessage(faults));
  const { rows } = await client.query<{ validated: boolean }>(
    `select convalidated as validated from pg_constraint
      where conrelid = 'public.api_logs'::regclass and conname = 'api_logs_billable'`,
  );
  if (rows[0] === undefined) {
    await client.query(`
      alter table public.api_logs add constraint api_logs_billable check (
            id > 0
        and octet_length(user_id) between 1 and 256
        and usage between 0 and 1000000000000000
        and called_at >= '1970-01-01 00:00:00+00' and called_at < '2100-01-01 00:00:00+00') not valid`);
    return false;
  }
  if (rows[0].validated) return true;
  try {
    await client.query('alter table public.api_logs validate constraint api_logs_billable');
  } catch (cause) {
    if ((cause as { code?: string }).code !== '23514') throw cause;
    throw new UnbillableCallsError(
      'The table public.api_logs, which existed before meterfold, holds calls that cannot be billed. Each call needs an id ' +
        'above 0, a user_id of 1 to 256 bytes, a usage from 0 to 10^15 and a called_at from 1970 to 2099: correct or remove ' +
        'the others, then migrate again.',
      { cause },
    );
  }
  return true;
}

/** Restores the log as it was before adoptLog(). */
export async function releaseLog(client: Client): Promise<void> {
  await client.query('alter table public.api_logs drop constraint if exists api_logs_billable');
}

function unfitLogMessage(faults: LogFault[]): string {
  const lines = faults.map((fault) => `  ${fault.what}: ${fault.fix}`);
  return [
    'The table public.api_logs existed before meterfold and cannot be billed from. ' +
      'Fix it, or rename it so that `meterfold migrate` creates one:',
    ...lines,
  ].join('\n');
}

/**
 * Adopts a log that existed before meterfold, if it can be billed from (src/log/faults.ts has the conditions). Only the
 * CHECK of log-limits.ts is added. Otherwise nothing is changed, and the error lists what to fix.
 */
import { logFaults } from '../log/faults.js';
import type { LogFault } from '../log/ids.js';
import type { Client } from '../postgres/pool.js';
import { validateLimits } from './log-limits.js';
import { MigrationError } from './migration-error.js';

/**
 * Runs one step, in a transaction of its own; true once the log is adopted. Throws MigrationError,
 * UnbillableCallsError.
 */
export async function adoptLog(client: Client): Promise<boolean> {
  const faults = await logFaults(client);
  if (faults.length > 0) throw new MigrationError(unfitLogMessage(faults));
  return validateLimits(client);
}

function unfitLogMessage(faults: LogFault[]): string {
  const lines = faults.map((fault) => `  ${fault.what}: ${fault.fix}`);
  return [
    'The table public.api_logs existed before meterfold and cannot be billed from. ' +
      'Fix it, or rename it so that `meterfold migrate` creates one:',
    ...lines,
  ].join('\n');
}

/**
 * The CHECK `api_logs_billable`: the log accepts only calls that can be billed. It is generated from billing/call.ts, so
 * that no migration repeats a limit. `meterfold migrate` adds it to a log that it creates or adopts, and replaces it when
 * the limits have changed; the comment of the CHECK says from which limits it was made.
 *
 * The CHECK is added NOT VALID, which takes a moment. Another transaction validates it while writers continue. After a
 * change of limits it stays NOT VALID: calls that are already in the log were accepted under the old limits.
 */
import { BILLABLE_SQL, REFUSAL_TEXTS } from '../billing/call.js';
import type { Client } from '../postgres/pool.js';
import { MigrationError } from './migration-error.js';

const EXPRESSION = `id > 0 and ${BILLABLE_SQL}`;
const CHECK_VIOLATION = '23514';

/** Calls in the log violate the limits; removeLimits() removes the CHECK. */
export class UnbillableCallsError extends MigrationError {}

interface Limits {
  isValidated: boolean;
  /** The expression from which the CHECK was made. */
  expression: string | null;
}

/** The limits that the log has; undefined without the CHECK. */
async function readLimits(client: Client): Promise<Limits | undefined> {
  const { rows } = await client.query<Limits>(
    `select convalidated as "isValidated", obj_description(oid, 'pg_constraint') as expression
       from pg_constraint where conrelid = to_regclass('public.api_logs') and conname = 'api_logs_billable'`,
  );
  return rows[0];
}

/**
 * True if the limits have changed since the log got its CHECK. A log without the CHECK stays as it is: its owner has
 * dropped it.
 */
export async function hasOldLimits(client: Client): Promise<boolean> {
  const limits = await readLimits(client);
  return limits !== undefined && limits.expression !== EXPRESSION;
}

/** From now on the log accepts only calls within the limits. */
export async function setLimits(client: Client): Promise<void> {
  // COMMENT takes no parameters.
  await client.query(`
    alter table public.api_logs drop constraint if exists api_logs_billable;
    alter table public.api_logs add constraint api_logs_billable check (${EXPRESSION}) not valid;
    comment on constraint api_logs_billable on public.api_logs is '${EXPRESSION.replaceAll("'", "''")}'`);
}

/**
 * Runs one step, in a transaction of its own, after which all calls in the log are within the limits; true after the
 * last one. Throws UnbillableCallsError.
 */
export async function validateLimits(client: Client): Promise<boolean> {
  const limits = await readLimits(client);
  if (limits?.isValidated) return true;
  if (limits === undefined) {
    await setLimits(client);
    return false;
  }
  try {
    await client.query('alter table public.api_logs validate constraint api_logs_billable');
  } catch (cause) {
    if ((cause as { code?: string }).code !== CHECK_VIOLATION) throw cause;
    throw new UnbillableCallsError(
      'The table public.api_logs, which existed before meterfold, holds calls that cannot be billed. In each call id must ' +
        `be above 0, ${Object.values(REFUSAL_TEXTS).join(', ')}: correct or remove the others, then migrate again.`,
      { cause },
    );
  }
  return true;
}

export async function removeLimits(client: Client): Promise<void> {
  await client.query('alter table public.api_logs drop constraint if exists api_logs_billable');
}

/**
 * Row-level security. A session of meterfold has `row_security = off`, so PostgreSQL refuses a statement from which a
 * policy would hide rows instead of omitting the rows. A run checks for such policies before it is opened, so it fails
 * before anything is written.
 */
import type { Queryable } from './pool.js';

/** A policy would hide rows from the role. */
export class RowSecurityError extends Error {
  override name = 'RowSecurityError';

  /** `table` is the name as in SQL; undefined if the server did not report it. */
  constructor(table: string | undefined, options?: ErrorOptions) {
    const on = table === undefined ? '' : ` on ${table}`;
    super(
      `row-level security${on} would hide rows from this role, so bills would be incomplete: give the role BYPASSRLS ` +
        '(`alter role … bypassrls`), or connect as the owner of the table, without FORCE ROW LEVEL SECURITY',
      options,
    );
  }
}

/** The tables that billing reads or writes. */
export const BILLING_TABLES = [
  'public.api_logs',
  ...['runs', 'seals', 'leases', 'tasks', 'attempts', 'spills', 'segments', 'open_cycles', 'records', 'quarantine'].map(
    (table) => `meterfold.${table}`,
  ),
  ...['repacked_records', 'repacks', 'retentions', 'retained_open_cycles', 'chain', 'chain_head'].map(
    (table) => `meterfold.${table}`,
  ),
  ...['migrations', 'declared_migrations', 'installation'].map((table) => `meterfold.${table}`),
];

/** SQL for the first of the tables named in $1 whose rows a policy may hide from the role; null if there is none. */
export const HIDDEN_TABLE = '(select min(name) from unnest($1::text[]) as name where row_security_active(name))';

export interface HiddenTable {
  /** The name as in SQL. */
  name: string;
  /** A statement that makes all rows visible to the role. */
  fix: string;
}

/** Returns the billing tables whose rows a policy may hide from the role. Tables that do not exist are skipped. */
export async function hiddenTables(db: Queryable): Promise<HiddenTable[]> {
  const { rows } = await db.query<HiddenTable>(
    `select name,
            case when pg_has_role(relowner, 'usage') then format('alter table %s no force row level security;', name)
                 else format('alter role %I bypassrls;', current_user) end as fix
       from unnest($1::text[]) as name
       join pg_class on pg_class.oid = to_regclass(name)
      where row_security_active(pg_class.oid)
      order by name`,
    [BILLING_TABLES],
  );
  return rows;
}

/** The PostgreSQL function that reports the refusal. The message itself may be translated. */
const REFUSING_ROUTINE = 'check_enable_rls';

/** Converts PostgreSQL's refusal to a RowSecurityError; undefined for any other error. */
export function rowSecurityRefusal(error: {
  code?: unknown;
  routine?: unknown;
  message?: unknown;
}): RowSecurityError | undefined {
  if (error.code !== '42501' || error.routine !== REFUSING_ROUTINE) return undefined;
  return new RowSecurityError(/"([^"]+)"/.exec(String(error.message))?.[1], { cause: error });
}

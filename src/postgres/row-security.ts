/**
 * Row-level security. Sessions of meterfold set `row_security = off`, so PostgreSQL refuses a statement from which a policy would hide
 * rows, instead of omitting them. Opening a run checks all tables first, so that it fails before anything is written.
 */
import type { Queryable } from './pool.js';

/** A policy would hide rows from the role. */
export class RowSecurityError extends Error {
  override name = 'RowSecurityError';

  /** `table` is qualified as in a statement; undefined if the server did not report it. */
  constructor(table: string | undefined, options?: ErrorOptions) {
    const on = table === undefined ? '' : ` on ${table}`;
    super(
      `row-level security${on} would hide rows from this role, so bills would be incomplete: give the role BYPASSRLS ` +
        '(`alter role … bypassrls`), or connect as the owner of the table, without FORCE ROW LEVEL SECURITY',
      options,
    );
  }
}

/** SQL: the first of the tables $1 (text[]) whose rows a policy may hide from the role; null if there is none. */
export const HIDDEN_TABLE = '(select min(name) from unnest($1::text[]) as name where row_security_active(name))';

export interface HiddenTable {
  /** Qualified as in a statement. */
  name: string;
  /** The statement that shows the rows to the role. */
  fix: string;
}

/** The tables whose rows a policy may hide from the role. Tables that do not exist are ignored. */
export async function hiddenTables(db: Queryable, tables: readonly string[]): Promise<HiddenTable[]> {
  const { rows } = await db.query<HiddenTable>(
    `select name,
            case when pg_has_role(relowner, 'usage') then format('alter table %s no force row level security;', name)
                 else format('alter role %I bypassrls;', current_user) end as fix
       from unnest($1::text[]) as name
       join pg_class on pg_class.oid = to_regclass(name)
      where row_security_active(pg_class.oid)
      order by name`,
    [tables],
  );
  return rows;
}

/** PostgreSQL's function that refuses the statement. The message is no criterion because it may be translated. */
const REFUSING_ROUTINE = 'check_enable_rls';

/** Converts PostgreSQL's refusal of a statement to a RowSecurityError; undefined for any other error. */
export function rowSecurityRefusal(error: {
  code?: unknown;
  routine?: unknown;
  message?: unknown;
}): RowSecurityError | undefined {
  if (error.code !== '42501' || error.routine !== REFUSING_ROUTINE) return undefined;
  return new RowSecurityError(/"([^"]+)"/.exec(String(error.message))?.[1], { cause: error });
}

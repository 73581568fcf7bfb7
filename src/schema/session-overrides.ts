/** Settings of a role, a database or a server that meterfold's sessions override. */
import type { Queryable } from '../postgres/pool.js';
import { OVERRIDDEN_SETTINGS } from '../postgres/session.js';

export interface OverriddenSetting {
  name: string;
  /** The value without meterfold. */
  theirs: string;
  ours: string;
}

/** Overridden settings whose value differs from PostgreSQL's default. */
export async function overriddenSettings(db: Queryable): Promise<OverriddenSetting[]> {
  const { rows } = await db.query<OverriddenSetting>(
    `select name, reset_val || coalesce(unit, '') as theirs, setting || coalesce(unit, '') as ours
       from pg_settings
      where lower(name) = any ($1) and reset_val <> setting and reset_val <> boot_val
      order by name`,
    [OVERRIDDEN_SETTINGS],
  );
  return rows;
}

/** The grant with which the role can create the temporary tables of backup attempts; undefined if it has the right. */
export async function missingTemporaryGrant(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ grant: string }>(
    `select format('grant temporary on database %I to %I;', current_database(), current_user) as grant
      where not has_database_privilege(current_database(), 'temporary')`,
  );
  return rows[0]?.grant;
}

/**
 * Which roles may read and write what meterfold owns.
 *
 * Migrations create objects, and default privileges (`alter default privileges … grant …`), which hosted databases
 * have, grant on them at that moment. The rule: what default privileges grant is revoked in the transaction that
 * creates the object, except those that were set for the schema `meterfold` itself; a grant that somebody makes
 * afterwards is deliberate, stays, and is shown by `doctor`. A log that was there before meterfold keeps its grants.
 */

import type { Queryable } from '../postgres/pool.js';
import { RUNS_AS_ITS_CALLER, WITH_OWN_OBJECTS } from './own-objects.js';
import { missingRights } from './rights.js';

/** Objects by `class:oid`. */
export type KnownObjects = readonly string[];

export async function ownObjects(db: Queryable): Promise<KnownObjects> {
  const { rows } = await db.query<{ key: string }>(
    `${WITH_OWN_OBJECTS} select class::oid || ':' || oid as key from own`,
  );
  return rows.map(({ key }) => key);
}

/** The log and its sequence, if they exist. */
export async function logObjects(db: Queryable): Promise<KnownObjects> {
  const { rows } = await db.query<{ key: string }>(
    `${WITH_OWN_OBJECTS}
     select class::oid || ':' || oid as key from own
      where oid in (select relation from log union select objid from pg_depend join log on refobjid = relation)`,
  );
  return rows.map(({ key }) => key);
}

export interface Revoked {
  role: string;
  /** Names of objects. */
  objects: string[];
}

/** Revokes what default privileges have granted on all objects but `known`, and says from whom. */
export async function revokeDefaultGrants(db: Queryable, known: KnownObjects): Promise<Revoked[]> {
  const { rows } = await db.query<{ statement: string; role: string; name: string }>(
    `${WITH_OWN_OBJECTS}, granted_by_default (class, oid, grantee, privilege_type) as (
       select class, own.oid, granted.grantee, granted.privilege_type
         from own
         left join pg_default_acl everywhere on everywhere.defaclrole = owner and everywhere.defaclnamespace = 0 and everywhere.defaclobjtype = letter::"char"
         left join pg_default_acl here on here.defaclrole = owner and here.defaclnamespace = space and here.defaclobjtype = letter::"char"
                                      and space <> to_regnamespace('meterfold')
        cross join aclexplode(coalesce(everywhere.defaclacl, acldefault(case letter when 'S' then 's' else letter end::"char", owner))
                              || coalesce(here.defaclacl, '{}')) granted
     )
     select name, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as role,
            format('revoke %s on %s %s from %s', string_agg(distinct privilege_type, ', '), kind, name,
                   case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end) as statement
       from own
      cross join aclexplode(acl) granted
       join granted_by_default using (class, oid, grantee, privilege_type)
      where grantee <> owner
        and not (class::oid || ':' || oid = any($1))
        and not (grantee = 0 and ${RUNS_AS_ITS_CALLER})
        and not exists (select from pg_default_acl, aclexplode(defaclacl) deliberate
                         where defaclrole = owner and defaclnamespace = space and space = to_regnamespace('meterfold')
                           and defaclobjtype = letter::"char" and deliberate.grantee = granted.grantee
                           and deliberate.privilege_type = granted.privilege_type)
      group by kind, name, grantee
      order by role, name`,
    [known],
  );
  const revoked = new Map<string, string[]>();
  for (const { statement, role, name } of rows) {
    await db.query(statement);
    if (role !== 'public') revoked.set(role, [...(revoked.get(role) ?? []), name]);
  }
  return [...revoked].map(([role, objects]) => ({ role, objects }));
}

/**
 * Grants what billing needs of all objects of the schema but `known` to the roles that already bill: those that may
 * update meterfold.runs.
 */
export async function grantToWorkers(db: Queryable, known: KnownObjects): Promise<void> {
  const { rows } = await db.query<{ role: string }>(
    `${WITH_OWN_OBJECTS}
     select pg_get_userbyid(grantee) as role from own cross join aclexplode(acl)
      where own.oid = to_regclass('meterfold.runs') and privilege_type = 'UPDATE' and grantee not in (owner, 0)`,
  );
  for (const { role } of rows) {
    for (const { fix } of await missingRights(db, { role, except: known })) await db.query(fix);
  }
}

/**
 * Grants on the objects that migrations create.
 *
 * Hosted databases have default privileges (`alter default privileges … grant …`), which grant rights on new objects.
 * The transaction that creates an object revokes what default privileges granted on it, except default privileges that
 * were set for the schema `meterfold` itself. Later grants are deliberate: they remain, and `doctor` lists them. A log
 * that existed before meterfold keeps its grants.
 */

import type { Queryable } from '../postgres/pool.js';
import { RUNS_AS_ITS_CALLER, WITH_OWN_OBJECTS } from './own-objects.js';
import { missingRights } from './rights.js';

/** Objects as `class:oid`, where class is the oid of their catalog. */
export type KnownObjects = readonly string[];

export async function ownObjects(db: Queryable): Promise<KnownObjects> {
  const { rows } = await db.query<{ key: string }>(
    `${WITH_OWN_OBJECTS} select class::oid || ':' || oid as key from own`,
  );
  return rows.map(({ key }) => key);
}

/** The log with its partitions and sequence, if they exist. */
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
  /** Names of the objects. */
  objects: string[];
}

/** Revokes what default privileges have granted on all objects except `known`, and returns from which roles. */
export async function revokeDefaultGrants(db: Queryable, known: KnownObjects): Promise<Revoked[]> {
  const { rows } = await db.query<{ statement: string; role: string; name: string }>(
    `${WITH_OWN_OBJECTS}, granted_by_default (class, oid, grantee, privilege_type) as (
       select class, own.oid, granted.grantee, granted.privilege_type
         from own
         left join pg_default_acl global_acl
                on global_acl.defaclrole = owner and global_acl.defaclnamespace = 0 and global_acl.defaclobjtype = letter::"char"
         left join pg_default_acl schema_acl
                on schema_acl.defaclrole = owner and schema_acl.defaclnamespace = space and schema_acl.defaclobjtype = letter::"char"
                   and space <> to_regnamespace('meterfold')
        cross join aclexplode(
                     coalesce(global_acl.defaclacl, acldefault(case letter when 'S' then 's' else letter end::"char", owner))
                     || coalesce(schema_acl.defaclacl, '{}')) granted
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
 * Grants what billing needs on all objects of the schema except `known` to the roles that already bill: those that may
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

/**
 * Finds roles other than owner and worker that may read or write meterfold's objects: by grants, as members of the
 * owner, or as members of PostgreSQL's roles that read or write everything. Superusers are omitted, because no REVOKE
 * restricts them. Reads only the system catalogs.
 */

import type { Queryable } from '../postgres/pool.js';
import { RUNS_AS_ITS_CALLER, WITH_OWN_OBJECTS } from './own-objects.js';

export interface Access {
  /** The name of the role, quoted if needed, or "PUBLIC (every role)". */
  role: string;
  /** "may insert, select on public.api_logs; select on public.billing_records (so may its members: web)" */
  may: string;
  /** Statements for the owner, each with its semicolon, that revoke the access. */
  fix: string;
}

/**
 * Returns the access of roles that are not `trusted`. Access that a role has as a member of a trusted role is omitted
 * too.
 */
export async function foreignAccess(db: Queryable, trusted: readonly string[] = []): Promise<Access[]> {
  const [granted, members] = await Promise.all([grantedAccess(db, trusted), membersAccess(db, trusted)]);
  return [...granted, ...members];
}

/**
 * CTEs: `member` has each role that is in role `through`, directly or by other roles; `members` their names, without
 * superusers.
 */
const WITH_MEMBERS = `
  member (role, through) as (
    select member, roleid from pg_auth_members
    union
    select pg_auth_members.member, member.through from member join pg_auth_members on roleid = member.role
  ), members (role, names) as (
    select through, string_agg(quote_ident(rolname), ', ' order by rolname)
      from member join pg_roles on pg_roles.oid = member.role
     where not rolsuper and not rolname = any($1) and rolname <> current_user
     group by through
  )`;

interface GrantedRow {
  role: string;
  members: string | null;
  may: string;
  fix: string;
}

async function grantedAccess(db: Queryable, trusted: readonly string[]): Promise<Access[]> {
  const { rows } = await db.query<GrantedRow>(
    `${WITH_OWN_OBJECTS}, ${WITH_MEMBERS},
     granted (class, kind, name, owner, oid, grantor, grantee, privilege, grantable) as (
       select class, kind, name, owner, own.oid, grantor, grantee, lower(privilege_type), is_grantable
         from own cross join aclexplode(acl)
       union all
       -- REVOKE on a table also revokes the privileges on its columns.
       select class, kind, name, owner, own.oid, grantor, grantee,
              lower(privilege_type) || format(' (%I)', attname), is_grantable
         from own
         join pg_attribute on class = 'pg_class'::regclass and attrelid = own.oid and not attisdropped
        cross join aclexplode(attacl)
     ), foreign_grant as (
       select own.*, case grantee when 0 then 'public' else quote_ident(rolname) end as role,
              case when grantor <> owner then quote_ident(pg_get_userbyid(grantor)) end as given_by
         from granted own
         left join pg_roles on pg_roles.oid = grantee
        where grantee <> owner
          and (grantee = 0 or not rolsuper and rolname <> current_user and not rolname = any($1))
          and not (grantee = 0 and ${RUNS_AS_ITS_CALLER})
     ), object as (
       select role, grantee, kind, name, string_agg(distinct privilege, ', ') as privileges
         from foreign_grant group by role, grantee, kind, name
     ), may as (
       select role, grantee, string_agg(privileges || ' on ' || names, '; ' order by names) as may
         from (select role, grantee, privileges, string_agg(name, ', ' order by name) as names
                 from object group by role, grantee, privileges) alike
        group by role, grantee
     ), statement as (
       -- Only the granting role can revoke its grants. Revoking its grant option with CASCADE revokes them too.
       select role,
              case when given_by is null
                   then format('revoke all on %s %s from %s%s;', kind, string_agg(distinct name, ', '), role,
                               case when bool_or(grantable) then ' cascade' else '' end)
                   else format('revoke grant option for all on %s %s from %s cascade;',
                               kind, string_agg(distinct name, ', '), given_by) end as fix
         from foreign_grant
        group by role, kind, given_by
     )
     select may.role, members.names as members, may, string_agg(fix, ' ' order by fix) as fix
       from may
       join statement using (role)
       left join members on members.role = grantee
      group by may.role, members.names, may
      order by may.role`,
    [trusted],
  );
  return rows.map(({ role, members, may, fix }) => ({
    role: role === 'public' ? 'PUBLIC (every role)' : role,
    may: `may ${may}${members === null ? '' : ` (so may its members: ${members})`}`,
    fix,
  }));
}

async function membersAccess(db: Queryable, trusted: readonly string[]): Promise<Access[]> {
  const { rows } = await db.query<Access>(
    `${WITH_OWN_OBJECTS}, powerful (role, may) as (
       select distinct owner, 'do everything as a member of the owner ' || quote_ident(pg_get_userbyid(owner)) from own
       union all
       select oid, case rolname when 'pg_read_all_data' then 'read everything' else 'write everything' end
                   || ' as a member of ' || rolname
         from pg_roles where rolname in ('pg_read_all_data', 'pg_write_all_data')
     ), holder (role, through, may, edge_of, edge_to, grantor) as (
       select member, roleid, may, roleid, member, grantor from pg_auth_members join powerful on role = roleid
       union
       select inner_member.member, through, may, edge_of, edge_to, holder.grantor
         from holder join pg_auth_members inner_member on roleid = holder.role
     )
     select quote_ident(rolname) as role, 'may ' || may as may,
            format('revoke %I from %I%s;', pg_get_userbyid(edge_of), pg_get_userbyid(edge_to),
                   -- Before PostgreSQL 16, a membership has one grantor, and any role with the right may revoke it.
                   case when current_setting('server_version_num')::int >= 160000
                        then format(' granted by %I', pg_get_userbyid(grantor)) else '' end) as fix
       from holder
       join pg_roles on pg_roles.oid = holder.role
      where not rolsuper and rolname <> current_user and not rolname = any($1)
        and not pg_get_userbyid(edge_to) = any($1)
        and oid not in (select owner from own)
      order by role, fix`,
    [trusted],
  );
  return rows;
}

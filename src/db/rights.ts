/** Which rights the connected role needs and lacks. Reads the catalogues only, so it answers whatever the role may do. */
import type { Queryable } from './pool.js';

export interface MissingRight {
  /** "select on public.api_logs" */
  right: string;
  /** The statement for the owner to run. */
  fix: string;
}

/** Billing needs to read the log and to work in its own schema. Who adds calls needs INSERT on the log, which is not asked here. */
export async function missingRights(queryable: Queryable): Promise<MissingRight[]> {
  const { rows } = await queryable.query<MissingRight>(`
    with needed (kind, name, schema_name, oid, rights) as (
      select 'schema', quote_ident(nspname), nspname, oid, '{usage}'::text[]
        from pg_namespace where nspname in ('public', 'meterfold')
      union all
      select case relkind when 'S' then 'sequence' else 'table' end, format('%I.%I', nspname, relname), nspname, pg_class.oid,
             case when nspname = 'public' or relname = 'migrations' then '{select}'
                  else '{select,insert,update,delete}' end::text[]
        from pg_class join pg_namespace on pg_namespace.oid = relnamespace
       where nspname = 'meterfold' and relkind in ('r', 'p')
          or nspname = 'public' and relname in ('api_logs', 'billing_records', 'open_cycles') and relkind in ('r', 'p', 'v')
          or pg_class.oid in (select objid from pg_depend
                               where refobjid = (select log.oid from pg_class log where log.relname = 'api_logs' and log.relnamespace = 'public'::regnamespace) and classid = 'pg_class'::regclass
                                 and deptype in ('a', 'i'))
             and relkind = 'S'
    )
    select format('%s on %s', wanted, name) as right,
           format('grant %s on %s %s to %I', wanted, kind, name, current_user) as fix
      from needed cross join unnest(rights) as wanted
     where case kind when 'schema' then not has_schema_privilege(oid, wanted)
                     when 'sequence' then not has_sequence_privilege(oid, wanted)
                     else not has_table_privilege(oid, wanted) end
     order by kind, name, wanted`);
  return rows;
}

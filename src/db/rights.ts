/** Which rights the connected role needs and lacks. Reads the catalogues only, so it answers whatever the role may do. */
import { one, type Queryable } from './pool.js';

export interface MissingRights {
  /** "select, insert on meterfold.runs, meterfold.tasks" */
  rights: string;
  /** The statement for the owner to run. */
  fix: string;
}

/**
 * Billing needs to read the log and to work in its own schema. Who adds calls needs INSERT on the log, which is not asked here.
 * Objects that lack the same rights come together.
 */
export async function missingRights(queryable: Queryable): Promise<MissingRights[]> {
  const { rows } = await queryable.query<MissingRights>(`
    with needed (kind, name, oid, rights) as (
      select 'schema', quote_ident(nspname), oid, '{usage}'::text[]
        from pg_namespace
       where nspname in ('public', 'meterfold')
      union all
      select 'table', format('%I.%I', nspname, relname), pg_class.oid,
             case when nspname = 'public' or relname in ('migrations', 'chain', 'chain_head') then '{select}'
                  else '{select,insert,update,delete}' end::text[]
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
       where nspname = 'meterfold' and relkind in ('r', 'p')
          or nspname = 'public' and relkind in ('r', 'p', 'v') and relname in ('api_logs', 'billing_records', 'open_cycles', 'quarantined_calls')
      union all
      select 'sequence', format('%I.%I', sequence_space.nspname, sequence.relname), sequence.oid, '{select}'
        from pg_class log
        join pg_namespace log_space on log_space.oid = log.relnamespace
        join pg_depend on pg_depend.refobjid = log.oid and pg_depend.classid = 'pg_class'::regclass
        join pg_class sequence on sequence.oid = pg_depend.objid and sequence.relkind = 'S'
        join pg_namespace sequence_space on sequence_space.oid = sequence.relnamespace
       where log_space.nspname = 'public' and log.relname = 'api_logs'
    ), missing (kind, name, rights) as (
      select kind, name, string_agg(wanted, ', ' order by place)
        from needed
       cross join unnest(rights) with ordinality as wanted (wanted, place)
       where case kind when 'schema' then not has_schema_privilege(oid, wanted)
                       when 'sequence' then not has_sequence_privilege(oid, wanted)
                       else not has_table_privilege(oid, wanted) end
       group by kind, name
    ), together as (
      select kind, rights, string_agg(name, ', ' order by name) as names from missing group by kind, rights
    )
    select format('%s on %s', rights, names) as rights,
           format('grant %s on %s %s to %I', rights, kind, names, current_user) as fix
      from together
     order by kind, rights`);
  return rows;
}

/** The grant by which the role sees since when others write to the log; undefined if it does. Billing does without. */
export async function grantToSeeStarts(queryable: Queryable): Promise<string | undefined> {
  const { grant } = one(
    await queryable.query<{ grant: string | null }>(`
      select case when not pg_has_role('pg_read_all_stats', 'usage')
                  then format('grant pg_read_all_stats to %I', current_user) end as grant`),
  );
  return grant ?? undefined;
}

/**
 * Finds the rights that a role needs for billing and lacks. Reads only the system catalogs, so it works for any role.
 */
import { one, type Queryable } from '../postgres/pool.js';

export interface MissingRights {
  /** "select, insert on meterfold.runs, meterfold.tasks" */
  rights: string;
  /** The statement for the owner to run. */
  fix: string;
}

export interface RightsOptions {
  /** The billing role; by default the connected role. */
  role?: string;
  /** If given, only objects of the schema meterfold other than these are checked; each is `class:oid`. */
  except?: readonly string[];
}

/**
 * Billing needs to read the log and to write in its own schema. Programs that add calls need INSERT on the log, which
 * is not checked here. Objects that lack the same rights share a row.
 */
export async function missingRights(
  queryable: Queryable,
  { role, except }: RightsOptions = {},
): Promise<MissingRights[]> {
  const { rows } = await queryable.query<MissingRights>(
    `
    with billing (role) as (
      select coalesce($1, current_user)::name
    ), needed (kind, name, oid, rights) as (
      select 'schema', quote_ident(nspname), oid, '{usage}'::text[]
        from pg_namespace
       where nspname in ('public', 'meterfold')
      union all
      -- The omitted functions are for the owner: they set the guard, and write the chain with the owner's rights.
      select 'function', format('meterfold.%I(%s)', proname, pg_get_function_identity_arguments(oid)), oid, '{execute}'
        from pg_proc
       where pronamespace = to_regnamespace('meterfold') and prorettype <> 'trigger'::regtype
         and proname <> 'guard_log' and not prosecdef
      union all
      select 'table', format('%I.%I', nspname, relname), pg_class.oid,
             case when nspname = 'public'
                    or relname in ('migrations', 'installation', 'chain', 'chain_head') then '{select}'
                  else '{select,insert,update,delete}' end::text[]
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
       where nspname = 'meterfold' and relkind in ('r', 'p')
          or nspname = 'public' and relkind in ('r', 'p', 'v')
             and relname in ('api_logs', 'billing_records', 'open_cycles', 'quarantined_calls')
      union all
      select 'sequence', format('%I.%I', sequence_space.nspname, sequence.relname), sequence.oid, '{select}'
        from pg_class log
        join pg_namespace log_space on log_space.oid = log.relnamespace
        join pg_depend on pg_depend.refobjid = log.oid and pg_depend.classid = 'pg_class'::regclass
        join pg_class sequence on sequence.oid = pg_depend.objid and sequence.relkind = 'S'
        join pg_namespace sequence_space on sequence_space.oid = sequence.relnamespace
       where log_space.nspname = 'public' and log.relname = 'api_logs'
    ), missing (kind, name, rights) as (
      select kind, name, string_agg(wanted, ', ' order by number)
        from billing
       cross join needed
       cross join unnest(rights) with ordinality as wanted (wanted, number)
       where not case kind when 'schema' then has_schema_privilege(role, oid, wanted)
                           when 'sequence' then has_sequence_privilege(role, oid, wanted)
                           when 'function' then has_function_privilege(role, oid, wanted)
                           else has_table_privilege(role, oid, wanted) end
         and ($2::text[] is null
              or name ~ '^meterfold($|\\.)'
                 and not case kind when 'schema' then 'pg_namespace'
                                   when 'function' then 'pg_proc'
                                   else 'pg_class' end::regclass::oid || ':' || oid = any($2))
       group by kind, name
    ), together as (
      select kind, rights, string_agg(name, ', ' order by name) as names from missing group by kind, rights
    )
    select format('%s on %s', rights, names) as rights,
           format('grant %s on %s %s to %I;', rights, kind, names, role) as fix
      from together, billing
     order by kind, rights`,
    [role ?? null, except ?? null],
  );
  return rows;
}

/** The grant with which the role sees when other roles' transactions began; undefined if it has it. It is optional. */
export async function grantToSeeStarts(queryable: Queryable): Promise<string | undefined> {
  const { grant } = one(
    await queryable.query<{ grant: string | null }>(`
      select case when not pg_has_role('pg_read_all_stats', 'usage')
                  then format('grant pg_read_all_stats to %I;', current_user) end as grant`),
  );
  return grant ?? undefined;
}

/**
 * The objects that meterfold owns, with their privileges: the schema `meterfold` and everything in it, the three public
 * views, and the log with its partitions and its sequence. Reads only the system catalogs.
 */

/** The views that meterfold creates in the schema public. */
const VIEWS = "'billing_records', 'open_cycles', 'quarantined_calls'";

/**
 * CTEs, beginning with `with recursive`. `own` has one row per object: `class` and `oid` as in pg_depend, `kind` and
 * `name` as in GRANT, `owner`, `space` (the oid of its schema), `acl` (never null) and `letter` (its kind in
 * pg_default_acl).
 */
export const WITH_OWN_OBJECTS = `
  with recursive log (relation) as (
    select to_regclass('public.api_logs')::oid
    union
    select inhrelid from pg_inherits join log on inhparent = relation
  ), own_relation (oid) as (
    select oid from pg_class
     where relnamespace = to_regnamespace('meterfold')
        or relnamespace = 'public'::regnamespace and relkind = 'v' and relname in (${VIEWS})
        or oid in (select relation from log)
    union
    select objid from pg_depend join log on refobjid = relation
     where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass
       and deptype in ('a', 'i') and refobjsubid > 0
  ), own (class, oid, kind, name, owner, space, acl, letter) as (
    select 'pg_namespace'::regclass, oid, 'schema', quote_ident(nspname), nspowner, oid,
           coalesce(nspacl, acldefault('n', nspowner)), 'n'
      from pg_namespace
     where nspname = 'meterfold'
    union all
    select 'pg_class'::regclass, pg_class.oid, case relkind when 'S' then 'sequence' else 'table' end,
           format('%I.%I', relnamespace::regnamespace::text::name, relname), relowner, relnamespace,
           coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)),
           case relkind when 'S' then 'S' else 'r' end
      from pg_class join own_relation using (oid)
     where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'pg_proc'::regclass, oid, 'function',
           format('meterfold.%I(%s)', proname, pg_get_function_identity_arguments(oid)), proowner, pronamespace,
           coalesce(proacl, acldefault('f', proowner)), 'f'
      from pg_proc
     where pronamespace = to_regnamespace('meterfold')
  )`;

/**
 * SQL: true if a row of `own` is a function that runs with the privileges of its caller. PUBLIC keeps EXECUTE on these,
 * as PostgreSQL grants it: they permit nothing that the caller may not do anyway, some are used by the views, and the
 * others cannot be called without USAGE on the schema.
 */
export const RUNS_AS_ITS_CALLER = `
  (class = 'pg_proc'::regclass and exists (select from pg_proc where pg_proc.oid = own.oid and not prosecdef))`;

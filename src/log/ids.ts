/**
 * Finds sources of ids other than the log's sequence, and objects that may change an id during an insert. Sealing
 * relies on ids that come from one sequence, in its order (src/runs/seal.ts). It is a single query, because every seal
 * runs it.
 */
import { prepared, type Queryable } from '../postgres/pool.js';

/** A reason why the log cannot be billed. */
export interface LogFault {
  what: string;
  /** A SQL statement with its semicolon, or a command. It fails if it would change the calls in the log. */
  fix: string;
}

/**
 * A WITH clause, `log (relation)`: all relations that hold calls, which are the log and all its partitions and
 * children. Begins `with recursive`.
 */
export const WITH_LOG_RELATIONS = `
  with recursive log (relation) as (
    select to_regclass('public.api_logs')::oid
    union
    select inhrelid from pg_inherits join log on inhparent = relation
  )`;

interface OtherSource {
  kind: keyof typeof faultOf;
  /** The log or one of its partitions, as written in SQL. */
  relation: string;
  /** The subscription, default, sequence, parent, trigger or rule, as written in SQL. */
  source: string;
}

/**
 * Finds these sources:
 * - A subscription inserts calls with ids of another server, in that server's order of commits and possibly hours late.
 *   They do not advance the sequence here, and if it was set far ahead, no other check would notice.
 * - A call inserted directly into a partition gets its id from that partition's own default. A call inserted into a
 *   table of which the log is a partition gets its id from the default of that table.
 * - A child table (INHERITS) has its own unique index or none, so two calls may have the same id.
 * - A BEFORE INSERT trigger or a rule may change the id. A call whose new id is below the watermark is never billed.
 */
export async function otherSourceFaults(db: Queryable, sequence: string): Promise<LogFault[]> {
  // Every role may read the columns of pg_subscription that contain no password.
  const { rows } = await db.query<OtherSource>(
    prepared(
      `${WITH_LOG_RELATIONS}, id as (
         select relation, attnum, attidentity <> '' as identity
           from log join pg_attribute on attrelid = relation and attname = 'id'
       ), named as (
         select relation, relispartition as attached, format('%I.%I', nspname, relname) as name
           from log join pg_class on pg_class.oid = relation join pg_namespace on pg_namespace.oid = relnamespace
       )
       select 'subscription' as kind, string_agg(relation::regclass::text, ', ' order by relation::regclass::text) as relation,
              format('%I', subscription.subname) as source
         from pg_subscription_rel
         join log on relation = srrelid
         join pg_subscription subscription on subscription.oid = srsubid
        group by subscription.subname
       union all
       select 'default', relation::regclass::text, pg_get_expr(adbin, adrelid)
         from id join pg_attrdef on adrelid = relation and adnum = attnum
        where not exists (select from pg_depend
                           where classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid
                             and refclassid = 'pg_class'::regclass and refobjid = $1::regclass)
       union all
       select 'identity', relation::regclass::text, objid::regclass::text
         from id join pg_depend on refclassid = 'pg_class'::regclass and refobjid = relation and refobjsubid = attnum
                               and classid = 'pg_class'::regclass and deptype = 'i'
        where identity and objid <> $1::regclass
       union all
       select case when attached then 'parent' else 'child' end, name,
              format('%I.%I', parent.relnamespace::regnamespace::text::name, parent.relname)
         from named
         join pg_inherits on inhrelid = relation
         join pg_class parent on parent.oid = inhparent
        where case when attached then relation = 'public.api_logs'::regclass
                   else inhparent in (select relation from log) end
       union all
       -- 7: for each row, before, insert. A partition's copy of its parent's trigger is not listed again.
       select 'trigger', name, quote_ident(tgname)
         from named join pg_trigger on tgrelid = relation
        where tgtype & 7 = 7 and tgenabled <> 'D' and tgparentid = 0 and not tgisinternal
       union all
       -- 3: insert.
       select 'rule', name, quote_ident(rulename)
         from named join pg_rewrite on ev_class = relation
        where ev_type = '3' and ev_enabled <> 'D'
        order by kind, relation, source`,
      [sequence],
    ),
  );
  return rows.map((row) => faultOf[row.kind](row, sequence));
}

const faultOf = {
  subscription: ({ relation, source }: OtherSource): LogFault => ({
    what:
      `subscription ${source} fills ${relation} with calls of another server, in an order that no sequence here reflects; bill on that server, ` +
      'or remove the log from its publication there (alter publication … drop table …;), and then, here',
    fix: `alter subscription ${source} refresh publication;`,
  }),
  default: (other: OtherSource, sequence: string): LogFault => ({
    what: ownNumbers(other, sequence),
    fix: `alter table ${other.relation} alter column id set default nextval('${sequence}');`,
  }),
  identity: (other: OtherSource, sequence: string): LogFault => ({
    what: ownNumbers(other, sequence),
    fix: `alter table ${other.relation} alter column id drop identity;`,
  }),
  parent: ({ relation, source }: OtherSource): LogFault => ({
    what: `${relation} is a partition of ${source}, whose inserts get ids from its own default`,
    fix: `alter table ${source} detach partition ${relation};`,
  }),
  child: ({ relation, source }: OtherSource): LogFault => ({
    what: `table ${relation} inherits from ${source}: its calls count as the log's, but nothing keeps their ids unique`,
    fix:
      `do $fix$ begin lock table ${relation} in share row exclusive mode; if exists (select from ${relation}) then raise exception ` +
      `'${quoted(relation)} holds calls: insert them into public.api_logs with their ids and truncate ${quoted(relation)} first'; end if; ` +
      `alter table ${relation} no inherit ${source}; end $fix$;`,
  }),
  trigger: ({ relation, source }: OtherSource): LogFault => ({
    what: `trigger ${source} on ${relation} runs before each insert and may change the id of a call, on whose order billing relies`,
    fix: `alter table ${relation} disable trigger ${source};`,
  }),
  rule: ({ relation, source }: OtherSource): LogFault => ({
    what: `rule ${source} on ${relation} rewrites inserts, so calls may be lost or get other ids`,
    fix: `alter table ${relation} disable rule ${source};`,
  }),
};

function ownNumbers({ relation, source }: OtherSource, sequence: string): string {
  return `column id of ${relation} takes its numbers from ${source} instead of sequence ${sequence}`;
}

/** Escapes a name for the format string of RAISE. */
function quoted(name: string): string {
  return name.replaceAll("'", "''").replaceAll('%', '%%');
}

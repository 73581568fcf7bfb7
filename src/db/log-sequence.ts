/**
 * The sequence that gives calls their log positions, and whether it alone does: what sealing stands on (src/db/seal.ts).
 * Asked by every seal, by `doctor`, and by the first migration where the log is older than meterfold.
 */
import { one, prepared, type Queryable } from './pool.js';

/** What keeps the log from being billed. */
export interface LogFault {
  what: string;
  /** A statement to run, or what to do. */
  fix: string;
}

/** All relations that hold calls: the log, and its partitions or children down to the last. Begins `with recursive`. */
export const WITH_LOG_RELATIONS = `
  with recursive log (relation) as (
    select 'public.api_logs'::regclass::oid
    union
    select inhrelid from pg_inherits join log on inhparent = relation
  )`;

/**
 * The last position that a sequence has given out, as SQL; its row is read in FROM as `state`. A fresh sequence says its start and
 * has given nothing.
 *
 * Not last_value as a query reads it: at every 32nd number the server writes down how far it may go without writing again, and
 * meanwhile last_value says that, 32 too much, to whoever reads the row without its lock. pg_sequence_last_value() takes the lock.
 */
export function positionSql(sequence: string): string {
  return `coalesce(pg_sequence_last_value('${sequence.replaceAll("'", "''")}'::regclass), state.last_value - 1)`;
}

export interface LogSequence {
  /** As SQL takes it, with its schema. */
  name: string;
  /** The last one it has given out. */
  position: bigint;
  /** Everything by which a call could get another position than the sequence's next. */
  faults: LogFault[];
}

/** Looks at the log's sequence; undefined if none belongs to the log's id. Needs SELECT on both. */
export async function inspectSequence(db: Queryable): Promise<LogSequence | undefined> {
  const { name } = one(
    await db.query<{ name: string | null }>(prepared(`select pg_get_serial_sequence('public.api_logs', 'id') as name`)),
  );
  if (name === null) return undefined;
  const sequence = await readSequence(db, name);
  const faults = [...settingFaults(name, sequence), ...(await otherSourceFaults(db, name))];
  return { name, position: BigInt(sequence.position), faults };
}

export async function sequenceFaults(db: Queryable): Promise<LogFault[]> {
  return (await inspectSequence(db))?.faults ?? [noSequence];
}

export const noSequence: LogFault = {
  what: 'no sequence belongs to public.api_logs.id',
  fix: 'alter sequence <the sequence> owned by public.api_logs.id',
};

interface SequenceRow {
  increment: string;
  cycle: boolean;
  cache: string;
  persistence: string;
  /** Of all calls. */
  highest: string;
  position: string;
}

async function readSequence(db: Queryable, name: string): Promise<SequenceRow> {
  // The statement's snapshot, and so every call in it, is older than the position that it reads.
  return one(
    await db.query<SequenceRow>(
      prepared(
        `select seqincrement as increment, seqcycle as cycle, seqcache as cache, relpersistence as persistence,
                (select coalesce(max(id), 0) from public.api_logs) as highest, ${positionSql(name)} as position
           from ${name} state, pg_sequence
           join pg_class on pg_class.oid = seqrelid
          where seqrelid = $1::regclass`,
        [name],
      ),
    ),
  );
}

function settingFaults(name: string, found: SequenceRow): LogFault[] {
  const faults: LogFault[] = [];
  const fault = (what: string, fix: string) => faults.push({ what: `sequence ${name} ${what}`, fix });
  if (BigInt(found.increment) < 1n) fault(`counts by ${found.increment}`, `alter sequence ${name} increment by 1`);
  if (found.cycle) fault('starts over at its end (CYCLE)', `alter sequence ${name} no cycle`);
  if (found.cache !== '1') {
    fault(`hands out ids in blocks of ${found.cache} (CACHE), out of order`, `alter sequence ${name} cache 1`);
  }
  if (found.persistence === 'u') {
    fault('is unlogged, a crash sets it back to its start', `alter sequence ${name} set logged`);
  }
  if (BigInt(found.highest) > BigInt(found.position)) {
    faults.push({
      what: `call ${found.highest} lies beyond sequence ${name}, which stands at ${found.position} (ids written by hand, or setval)`,
      fix: `select setval('${name}', ${found.highest})`,
    });
  }
  return faults;
}

interface OtherSource {
  kind: 'subscription' | 'default' | 'identity';
  /** Of the log, or of its partitions. */
  relation: string;
  source: string;
}

/**
 * Where calls get their ids from instead of the log's sequence.
 *
 * A subscription brings calls with ids of another server, in the order of that server's commits and hours late. The sequence here
 * knows nothing of them, and where it was set far ahead no other check would notice. And a call that is inserted straight into a
 * partition gets its id from that partition's own default.
 */
async function otherSourceFaults(db: Queryable, name: string): Promise<LogFault[]> {
  // Of pg_subscription everybody may read the columns that hold no password.
  const { rows } = await db.query<OtherSource>(
    prepared(
      `${WITH_LOG_RELATIONS}, id as (
         select relation, attnum, attidentity <> '' as identity
           from log join pg_attribute on attrelid = relation and attname = 'id'
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
        order by kind, relation, source`,
      [name],
    ),
  );
  return rows.map((row) => (row.kind === 'subscription' ? subscriptionFault(row) : ownNumbersFault(row, name)));
}

function subscriptionFault({ relation, source }: OtherSource): LogFault {
  return {
    what: `subscription ${source} fills ${relation} with calls of another server, in an order that no sequence here tells`,
    fix:
      'bill at the server where the calls are made, or end the subscription of the log: `alter publication … drop table …` there, ' +
      `\`alter subscription ${source} refresh publication\` here`,
  };
}

function ownNumbersFault({ kind, relation, source }: OtherSource, name: string): LogFault {
  return {
    what: `column id of ${relation} takes its numbers from ${source} instead of sequence ${name}`,
    fix:
      kind === 'identity'
        ? `alter table ${relation} alter column id drop identity`
        : `alter table ${relation} alter column id set default nextval('${name}')`,
  };
}

/**
 * The sequence that gives calls their log positions, and whether it alone does: what sealing stands on (src/db/seal.ts).
 * Asked by every seal, by `doctor`, and by the first migration where the log is older than meterfold.
 */
import { one, type Queryable } from './pool.js';

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
  position: bigint;
}

/** Undefined if no sequence belongs to the log's id. */
export async function readLogSequence(db: Queryable): Promise<LogSequence | undefined> {
  const { name } = one(
    await db.query<{ name: string | null }>(`select pg_get_serial_sequence('public.api_logs', 'id') as name`),
  );
  if (name === null) return undefined;
  const { position } = one(
    await db.query<{ position: string }>(`select ${positionSql(name)} as position from ${name} state`),
  );
  return { name, position: BigInt(position) };
}

/** Everything by which a call could get another position than the sequence's next. Needs SELECT on the log and its sequence. */
export async function sequenceFaults(db: Queryable): Promise<LogFault[]> {
  const sequence = await readLogSequence(db);
  if (sequence === undefined) {
    return [
      {
        what: 'no sequence belongs to public.api_logs.id',
        fix: 'alter sequence <the sequence> owned by public.api_logs.id',
      },
    ];
  }
  return [
    ...(await settingFaults(db, sequence.name)),
    ...(await subscriptionFaults(db)),
    ...(await otherSourceFaults(db, sequence.name)),
  ];
}

async function settingFaults(db: Queryable, name: string): Promise<LogFault[]> {
  // The statement's snapshot, and so every call in it, is older than the position that it reads.
  const found = one(
    await db.query<{
      increment: string;
      cycle: boolean;
      cache: string;
      persistence: string;
      highest: string;
      position: string;
    }>(
      `select seqincrement as increment, seqcycle as cycle, seqcache as cache, relpersistence as persistence,
              (select coalesce(max(id), 0) from public.api_logs) as highest, ${positionSql(name)} as position
         from ${name} state, pg_sequence
         join pg_class on pg_class.oid = seqrelid
        where seqrelid = $1::regclass`,
      [name],
    ),
  );
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

/**
 * A subscription brings calls with ids of another server, in the order of that server's commits and hours late. The sequence here
 * knows nothing of them, and where it was set far ahead no other check would notice.
 */
async function subscriptionFaults(db: Queryable): Promise<LogFault[]> {
  // Of pg_subscription everybody may read the columns that hold no password.
  const { rows } = await db.query<{ subscription: string; relations: string }>(`
    ${WITH_LOG_RELATIONS}
    select format('%I', subscription.subname) as subscription,
           string_agg(relation::regclass::text, ', ' order by relation::regclass::text) as relations
      from pg_subscription_rel
      join log on relation = srrelid
      join pg_subscription subscription on subscription.oid = srsubid
     group by subscription.subname
     order by subscription.subname`);
  return rows.map(({ subscription, relations }) => ({
    what: `subscription ${subscription} fills ${relations} with calls of another server, in an order that no sequence here tells`,
    fix:
      'bill at the server where the calls are made, or end the subscription of the log: `alter publication … drop table …` there, ' +
      `\`alter subscription ${subscription} refresh publication\` here`,
  }));
}

/** Inserted straight into a partition, a call gets its id from that partition's own default. */
async function otherSourceFaults(db: Queryable, name: string): Promise<LogFault[]> {
  const { rows } = await db.query<{ relation: string; source: string; identity: boolean }>(
    `${WITH_LOG_RELATIONS}
     select relation::regclass::text as relation, false as identity, pg_get_expr(adbin, adrelid) as source
       from log
       join pg_attribute on attrelid = relation and attname = 'id'
       join pg_attrdef on adrelid = relation and adnum = attnum
      where not exists (select from pg_depend
                         where classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid
                           and refclassid = 'pg_class'::regclass and refobjid = $1::regclass)
     union all
     select relation::regclass::text, true, objid::regclass::text
       from log
       join pg_attribute on attrelid = relation and attname = 'id' and attidentity <> ''
       join pg_depend on refclassid = 'pg_class'::regclass and refobjid = relation and refobjsubid = attnum
                     and classid = 'pg_class'::regclass and deptype = 'i'
      where objid <> $1::regclass
      order by relation`,
    [name],
  );
  return rows.map(({ relation, source, identity }) => ({
    what: `column id of ${relation} takes its numbers from ${source} instead of sequence ${name}`,
    fix: identity
      ? `alter table ${relation} alter column id drop identity`
      : `alter table ${relation} alter column id set default nextval('${name}')`,
  }));
}

/**
 * The sequence that gives calls their log positions, and whether it alone does: what sealing stands on (src/runs/seal.ts).
 * Asked by every seal, by `doctor`, and by the first migration where the log is older than meterfold.
 */

import { one, prepared, type Queryable } from '../postgres/pool.js';
import { beyondSequenceFix } from './fixes.js';
import { type LogFault, otherSourceFaults } from './ids.js';

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
  return (await inspectSequence(db))?.faults ?? [await noSequence(db)];
}

/** What is wrong where no sequence belongs to the log's id: the one that its default uses only has to be tied to it. */
export async function noSequence(db: Queryable): Promise<LogFault> {
  const { sequence, generated } = one(
    await db.query<{ sequence: string | null; generated: boolean }>(`
      select case when min(relname) is not null then format('%I.%I', min(nspname), min(relname)) end as sequence, bool_or(attgenerated <> '') as generated
        from pg_attribute
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        left join pg_depend on classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid and refclassid = 'pg_class'::regclass
        left join pg_class on pg_class.oid = refobjid and relkind = 'S'
        left join pg_namespace on pg_namespace.oid = relnamespace
       where attrelid = 'public.api_logs'::regclass and attname = 'id'`),
  );
  return {
    what: 'no sequence belongs to public.api_logs.id',
    fix:
      sequence !== null
        ? `alter sequence ${sequence} owned by public.api_logs.id;`
        : `alter table public.api_logs alter column id drop ${generated ? 'expression' : 'default'};`,
  };
}

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
  if (BigInt(found.increment) < 1n) fault(`counts by ${found.increment}`, `alter sequence ${name} increment by 1;`);
  if (found.cycle) fault('starts over at its end (CYCLE)', `alter sequence ${name} no cycle;`);
  if (found.cache !== '1') {
    fault(`hands out ids in blocks of ${found.cache} (CACHE), out of order`, `alter sequence ${name} cache 1;`);
  }
  if (found.persistence === 'u') {
    fault('is unlogged, a crash sets it back to its start', `alter sequence ${name} set logged;`);
  }
  if (BigInt(found.highest) > BigInt(found.position)) {
    faults.push({
      what: `call ${found.highest} lies beyond sequence ${name}, which stands at ${found.position} (ids written by hand, or setval)`,
      fix: beyondSequenceFix(name, BigInt(found.highest)),
    });
  }
  return faults;
}

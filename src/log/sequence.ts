/**
 * Reads the sequence that assigns log positions, and checks that no other source assigns them, which sealing relies on
 * (src/runs/seal.ts). Used by every seal, by `doctor`, and by the first migration if the log already exists.
 */

import { one, prepared, type Queryable } from '../postgres/pool.js';
import { beyondSequenceFix } from './fixes.js';
import { type LogFault, otherSourceFaults } from './ids.js';

/**
 * SQL for the last position that a sequence has assigned. The query must have the sequence in FROM as `state`. A fresh
 * sequence has assigned nothing, and its last_value is its start.
 *
 * It does not read last_value directly. At every 32nd number the server logs a value 32 ahead, and in that moment a
 * query that does not hold the sequence's buffer lock reads the value that is 32 too high. pg_sequence_last_value()
 * takes the lock.
 */
export function positionSql(sequence: string): string {
  return `coalesce(pg_sequence_last_value('${sequence.replaceAll("'", "''")}'::regclass), state.last_value - 1)`;
}

export interface LogSequence {
  /** As written in SQL, with its schema. */
  name: string;
  /** The last assigned position. */
  position: bigint;
  /** Every reason why a call could get a position that is not the sequence's next one. */
  faults: LogFault[];
}

/** Inspects the log's sequence; undefined if the column id owns none. Requires SELECT on both. */
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

/** The fault that the column id owns no sequence. If its default uses one, the fix makes the column own it. */
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
  /** The highest id of all calls. */
  highest: string;
  position: string;
}

async function readSequence(db: Queryable, name: string): Promise<SequenceRow> {
  // The statement's snapshot, and so every call in it, is older than the position that the statement reads.
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
    fault(`assigns ids in blocks of ${found.cache} (CACHE), out of order`, `alter sequence ${name} cache 1;`);
  }
  if (found.persistence === 'u') {
    fault('is unlogged, so a crash resets it to its start', `alter sequence ${name} set logged;`);
  }
  if (BigInt(found.highest) > BigInt(found.position)) {
    faults.push({
      what: `call ${found.highest} lies beyond sequence ${name}, which stands at ${found.position} (ids written by hand, or setval)`,
      fix: beyondSequenceFix(name, BigInt(found.highest)),
    });
  }
  return faults;
}

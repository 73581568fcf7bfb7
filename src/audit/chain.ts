/**
 * The chain against the runs: every ended run has the link of its last ending, every link has its run, the hashes lead
 * from the first link to the head, and the numbering of runs was not set back.
 *
 * It detects what was deleted or changed by anyone who did not also rewrite the chain. The owner of the database can
 * recompute every hash, or restore an earlier state of all tables; a head that was noted elsewhere detects that as
 * well, see checkNotedHead().
 */
import { type Client, one } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';
import { sql } from './sql.js';

/** The head of the chain. `meterfold verify` prints it as "number:hash". The hash is 64 hexadecimal digits. */
export interface ChainHead {
  number: string;
  hash: string;
}

/** The present head as "number:hash"; undefined if its row is missing. */
export async function readHead(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ head: string }>(
    `select number || ':' || encode(hash, 'hex') as head from meterfold.chain_head limit 1`,
  );
  return rows[0]?.head;
}

/** A statement of Differences from `rows` of (run_id, column, expected, found). $1 the only run or null, $2 limit. */
const differencesOf = (table: string, rows: string) => `
  select '${table}' as "check", item.run_id::text as run, null as "user", null as cycle, null as call,
         item.column, item.expected, item.found
    from (${rows}) item (run_id, "column", expected, found)
   where item.expected is distinct from item.found and ($1::bigint is null or item.run_id = $1)
   order by item.run_id
   limit $2`;

const endingsSql = differencesOf('runs', sql('chain-endings'));
const linksSql = differencesOf('chain', sql('chain-links'));
const headSql = differencesOf('chain_head', sql('chain-head'));

export async function checkChain(
  client: Client,
  { runId, differencesMax }: Scope,
  notes: string[],
): Promise<Difference[]> {
  const select = async (statement: string) =>
    (await client.query<Difference>(statement, [runId ?? null, differencesMax])).rows;
  const endings = await select(endingsSql);
  if (runId !== undefined) return endings;
  return [
    ...endings,
    ...(await select(linksSql)),
    ...(await select(headSql)),
    ...(await checkNumbering(client, notes)),
  ];
}

/**
 * The next run must get an id that no run has had. The sequence is not part of the snapshot, but can only be ahead of
 * it.
 */
async function checkNumbering(client: Client, notes: string[]): Promise<Difference[]> {
  const { sequence, readable } = one(
    await client.query<{ sequence: string | null; readable: boolean | null }>(`
      select sequence, has_sequence_privilege(sequence, 'select') as readable
        from pg_get_serial_sequence('meterfold.runs', 'run_id') as sequence`),
  );
  if (readable === false) {
    notes.push(`The numbering of runs was not checked: this role may not read the sequence ${sequence}.`);
    return [];
  }
  const { expected, found } = one(
    await client.query<{ expected: string; found: string | null }>(
      `select greatest((select max(run_id) from meterfold.runs),
                       (select max(newest_run_id) from meterfold.chain_head), 0) as expected,
              case when $1::text is not null then coalesce(pg_sequence_last_value($1::text::regclass), 0) end as found`,
      [sequence],
    ),
  );
  if (found !== null && BigInt(found) >= BigInt(expected)) return [];
  return [
    {
      ...{ check: 'runs', run: null, user: null, cycle: null, call: null, column: 'last number given to a run' },
      expected: `at least ${expected}`,
      found,
    },
  ];
}

/** Checks that the present chain continues the one whose head was noted. */
export async function checkNotedHead(client: Client, noted: ChainHead): Promise<Difference[]> {
  if (noted.number === '0') return [];
  const { rows } = await client.query<{ hash: string }>(
    `select encode(hash, 'hex') as hash from meterfold.chain where number = $1`,
    [noted.number],
  );
  if (rows.length === 1 && rows[0]!.hash === noted.hash) return [];
  return [
    {
      ...{ check: 'chain', run: null, user: null, cycle: null, call: null, column: `hash of link ${noted.number}` },
      expected: noted.hash,
      found: rows[0]?.hash ?? null,
    },
  ];
}

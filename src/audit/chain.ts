/**
 * The chain against the runs: every ended run has the link of its last ending, every link has its run, the hashes lead from the first link
 * to the head, and the numbering of runs has not been set back.
 *
 * It shows what was deleted or changed by anybody who did not also rewrite the chain. Whoever owns the database can recompute every
 * hash, or restore an earlier moment of all of it; a head that was noted elsewhere shows that, too: see checkNotedHead().
 */
import { type Client, one } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';

/** A head of the chain as `meterfold verify` prints it: "number:hash", the hash as 64 hexadecimal digits. */
export interface ChainHead {
  number: string;
  hash: string;
}

/** The present head as text; undefined if its row is missing. */
export async function readHead(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ head: string }>(
    `select number || ':' || encode(hash, 'hex') as head from meterfold.chain_head limit 1`,
  );
  return rows[0]?.head;
}

const START = `decode(repeat('00', 32), 'hex')`;

/** Rows of Difference from "run", "column", expected and found. */
const differencesOf = (table: string, rows: string) => `
  select '${table}' as "check", item.run_id::text as run, null as "user", null as cycle, null as call,
         item.column, item.expected, item.found
    from (${rows}) item (run_id, "column", expected, found)
   where item.expected is distinct from item.found and ($1::bigint is null or item.run_id = $1)
   order by item.run_id
   limit $2`;

/** The last link of each run, and the run as it is now. Null as `column` for a row that is missing. */
const endingsSql = differencesOf(
  'runs',
  `
  select coalesce(link.run_id, run.run_id), own.*
    from (select distinct on (run_id) run_id, event, digest
            from meterfold.chain
           where event <> 'retained'
           order by run_id, number desc) link
    full join meterfold.runs run on run.run_id = link.run_id
   cross join lateral (
         select null, format('a run that was %s', link.event), null where run.run_id is null
         union all
         select 'its link in the chain', run.state, null where link.run_id is null and run.state <> 'active'
         union all
         select differing.*
           from (values ('state', link.event, run.state),
                        ('row_digest', link.digest::text, run.row_digest::text)) as differing
          where link.run_id is not null and run.run_id is not null) own ("column", expected, found)`,
);

const linksSql = differencesOf(
  'chain',
  `
  select link.run_id, own.*
    from (select link.*,
                 lag(number, 1, 0::bigint) over (order by number) as number_before,
                 lag(hash, 1, ${START}) over (order by number) as hash_before,
                 row_number() over (partition by run_id, event order by number) as times
            from meterfold.chain link) link
   cross join lateral (values
         ('number', (link.number_before + 1)::text, link.number::text),
         ('hash', encode(sha256(link.hash_before
                    || convert_to(concat_ws(' ', link.number, link.event, link.run_id, link.digest), 'UTF8')), 'hex'),
                  encode(link.hash, 'hex')),
         ('event', case link.times when 1 then link.event else link.event || ' once' end, link.event)) own`,
);

const headSql = differencesOf(
  'chain_head',
  `
  select null::bigint, own.*
    from (select count(*) filter (where only_row) as rows, max(number) as number, max(encode(hash, 'hex')) as hash, max(newest_run_id) as newest_run_id
            from meterfold.chain_head) head
   cross join (select coalesce(max(number), 0) as number, coalesce(max(run_id), 0) as newest_run_id,
                      encode(coalesce((select hash from meterfold.chain order by number desc limit 1), ${START}), 'hex') as hash
                 from meterfold.chain) chain
   cross join lateral (values
         ('rows', '1', head.rows::text),
         ('number', chain.number::text, head.number::text),
         ('hash', chain.hash, head.hash),
         ('newest_run_id', chain.newest_run_id::text, head.newest_run_id::text)) own`,
);

export async function checkChain(
  client: Client,
  { runId, differencesMax }: Scope,
  notes: string[],
): Promise<Difference[]> {
  const select = async (sql: string) => (await client.query<Difference>(sql, [runId ?? null, differencesMax])).rows;
  const endings = await select(endingsSql);
  if (runId !== undefined) return endings;
  return [
    ...endings,
    ...(await select(linksSql)),
    ...(await select(headSql)),
    ...(await checkNumbering(client, notes)),
  ];
}

/** The next run must get a number that no run has had. The sequence is read now: it is never behind what the snapshot shows. */
async function checkNumbering(client: Client, notes: string[]): Promise<Difference[]> {
  const { sequence, readable } = one(
    await client.query<{ sequence: string | null; readable: boolean | null }>(`
      select sequence, has_sequence_privilege(sequence, 'select') as readable
        from pg_get_serial_sequence('meterfold.runs', 'run_id') as sequence`),
  );
  if (readable === false) {
    notes.push(
      `Whether the numbering of runs was set back is not checked: this role may not read the sequence ${sequence}.`,
    );
    return [];
  }
  const { expected, found } = one(
    await client.query<{ expected: string; found: string | null }>(
      `select greatest((select max(run_id) from meterfold.runs), (select max(newest_run_id) from meterfold.chain_head), 0) as expected,
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

/** The chain as it is now continues the one whose head was noted. */
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

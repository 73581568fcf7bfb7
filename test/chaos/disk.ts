/**
 * Simulates a full disk, for root and other users, by the file size limit of processes. PostgreSQL ignores SIGXFSZ, so
 * writing beyond the limit fails as on a full disk, except for the error (EFBIG, "File too large", SQLSTATE XX000
 * instead of ENOSPC and 53100).
 *
 * Tables: the limit is above the size of a WAL file (16 MB), and the table is first made larger than the limit by rows
 * that are rolled back. It can no longer grow, so the statement fails. WAL: the limit is below the current position in
 * the WAL file, so the whole server stops with a panic, until there is space and it is started again.
 */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { PAGE_BYTES } from '../../src/engine/layout.js';
import { eventually } from '../support/eventually.js';
import type { FaultScene, Struck } from './fault.js';
import { NotReachedError } from './insist.js';
import type { ChaosStack } from './stack.js';

const run = promisify(execFile);

const TABLE_LIMIT_BYTES = 17_000_000;
const TABLE_BYTES = 18_000_000;
/** More than PostgreSQL's log file of messages needs, and less than the WAL position, see below. */
const LOG_LIMIT_BYTES = 4_000_000;

export async function fillWherePostgresWrites(scene: FaultScene): Promise<Struck> {
  const ofTables = scene.held.point === 'records' || (scene.phase === 'map' && scene.random.chance(0.7));
  return ofTables ? fillTables(scene) : fillLog(scene);
}

async function fillTables({ stack, held }: FaultScene): Promise<Struck> {
  const table = held.point === 'records' ? 'meterfold.records' : 'meterfold.segments';
  await grow(stack, held.lock!, table);
  const injectedAt = new Date();
  await limitServer(stack, `application_name like 'meterfold worker%'`, TABLE_LIMIT_BYTES);
  await held.release();
  const seen = await eventually('a second attempt has failed, or the run has ended', async () => {
    const { raw, status } = await stack.temporal.workflow.getHandle(held.run.workflowId).describe();
    if ((raw.pendingActivities ?? []).some(({ attempt }) => (attempt ?? 1) >= 3)) return 'second attempt failed';
    return status.name === 'RUNNING' ? undefined : 'ended';
  });
  await limitServer(stack, 'true', 'unlimited');
  // A few rows may still fit into a page with free space, which an earlier attempt has recorded.
  if (seen === 'ended') throw new NotReachedError('no second attempt has failed: there was space');
  return { injectedAt, healedAt: new Date() };
}

async function fillLog({ stack, held }: FaultScene): Promise<Struck> {
  const before = await panics(stack);
  // The position within the WAL file must be beyond the limit.
  for (;;) {
    const [row] = await stack.ask<{ position: number }>(
      'select file_offset as position from pg_walfile_name_offset(pg_current_wal_insert_lsn())',
    );
    if (row!.position > LOG_LIMIT_BYTES && row!.position < 2 * LOG_LIMIT_BYTES) break;
    await stack.ask(`select pg_logical_emit_message(false, 'chaos', repeat('x', 1000000))`);
  }
  const injectedAt = new Date();
  await limitServer(stack, `application_name <> 'chaos'`, LOG_LIMIT_BYTES);
  await held.release();
  await eventually('PostgreSQL stops for lack of space', async () => (await panics(stack)) > before);
  await stack.stopPostgres();
  // The new server has no limit: space was made.
  await stack.startPostgres();
  return { injectedAt, healedAt: new Date() };
}

/** Counts the server's messages that it could not write the WAL. */
async function panics(stack: ChaosStack): Promise<number> {
  const log = await readFile(stack.postgresLog, 'utf8');
  return log.match(/PANIC: {2}could not write to log file .*: File too large/g)?.length ?? 0;
}

/**
 * Limits the postmaster first and then the selected sessions, because a session that starts in between inherits the
 * postmaster's limit.
 */
async function limitServer(stack: ChaosStack, which: string, bytes: number | 'unlimited'): Promise<void> {
  await limitFileSize([stack.postgresPid], bytes);
  await limitFileSize(await serverPids(stack, which), bytes);
}

async function serverPids(stack: ChaosStack, which: string): Promise<number[]> {
  const rows = await stack.ask<{ pid: number }>(
    `select pid from pg_stat_activity where pid <> pg_backend_pid() and (${which})`,
  );
  return rows.map(({ pid }) => pid);
}

/**
 * Sets only the soft limit, so that no privilege is needed to raise it again. Processes that have already ended are
 * ignored.
 */
async function limitFileSize(pids: number[], bytes: number | 'unlimited'): Promise<void> {
  for (const pid of pids) {
    const process = await stat(`/proc/${pid}`).catch(() => undefined);
    if (process === undefined) continue;
    // Runs as the process's own user, because root in a container may lack the privilege to do it for another user's
    // process.
    const { uid, gid } = process;
    await run('prlimit', [`--fsize=${bytes}:`, '--pid', String(pid)], { uid, gid, cwd: '/' }).catch(
      (error: Error & { stderr?: string }) => {
        if (!error.stderr?.includes('No such process')) throw error;
      },
    );
  }
}

/**
 * Makes the table's file larger than the limit and fills its last page. It writes in the transaction that holds the
 * table's lock.
 */
async function grow(
  stack: ChaosStack,
  lock: { writeAndRollBack(sql: string): Promise<void> },
  table: 'meterfold.records' | 'meterfold.segments',
): Promise<void> {
  const [row] = await stack.ask<{ bytes: string }>(`select pg_relation_size('${table}'::regclass) as bytes`);
  const pages = Math.ceil(Math.max(0, TABLE_BYTES - Number(row!.bytes)) / PAGE_BYTES) + 1;
  await lock.writeAndRollBack(`set local session_replication_role = replica; ${FILLERS[table](pages)}`);
}

/** Statements that insert rows for `pages` new pages, the last of which has no space for another row. */
const FILLERS = {
  'meterfold.segments': (pages: number) => `
    insert into meterfold.segments
    select -1, n, 0, 0, convert_to(repeat('x', ${PAGE_BYTES}), 'UTF8') from generate_series(1, ${pages}) as n`,
  // The records of a burst would fit into one page. So rows of one cycle are inserted until a new page begins, and then
  // two rows that fill it.
  'meterfold.records': (pages: number) => `
    do $$
    declare
      one bit varying := 7::bigint::bit(64);
      many bit varying := (select string_agg(n::bigint::bit(64)::text, '')::varbit from generate_series(1, 96) as n);
      number bigint := 0;
      page float8;
      page_before float8;
    begin
      for filled in 1..${pages} loop
        page := null;
        loop
          number := number + 1;
          page_before := page;
          insert into meterfold.records values (-1, number, 'nobody', one, one, one, one, one)
            returning (ctid::text::point)[0] into page;
          exit when page <> page_before;
        end loop;
        number := number + 2;
        insert into meterfold.records
        select -1, n, 'nobody', many, many, many, many, many from generate_series(number - 1, number) as n;
      end loop;
    end $$`,
};

/**
 * A full disk, for root and anybody: PostgreSQL ignores SIGXFSZ, so that past a process's limit of file size writing fails as on a
 * full disk, but for the error's name (EFBIG, "File too large", SQLSTATE XX000, where a full disk has ENOSPC and 53100).
 *
 * Tables: the limit lies above a file of PostgreSQL's log (16 MB), and the table is made larger than that before, by rows that
 * are rolled back: it can't grow any more, and the statement fails. Log: the limit lies below where the log is being written,
 * and the whole server stops, by a panic, until there is room and somebody starts it again.
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
/** More than PostgreSQL's own messages need, and less than the log's position, see below. */
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
  const seen = await eventually('a second try has failed, or the run has ended', async () => {
    const { raw, status } = await stack.temporal.workflow.getHandle(held.run.workflowId).describe();
    if ((raw.pendingActivities ?? []).some(({ attempt }) => (attempt ?? 1) >= 3)) return 'second try failed';
    return status.name === 'RUNNING' ? undefined : 'ended';
  });
  await limitServer(stack, 'true', 'unlimited');
  // Rows that are few enough may still find room in a page, once an earlier try has told where there is some.
  if (seen === 'ended') throw new NotReachedError('no second try has failed: there was room');
  return { injectedAt, healedAt: new Date() };
}

async function fillLog({ stack, held }: FaultScene): Promise<Struck> {
  const said = await panics(stack);
  // The position in its file of the log must lie beyond the limit.
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
  await eventually('PostgreSQL stops for want of room', async () => (await panics(stack)) > said);
  await stack.stopPostgres();
  // The new server has no limit: room was made.
  await stack.startPostgres();
  return { injectedAt, healedAt: new Date() };
}

/** How often the server's log says that it could not write its own log. */
async function panics(stack: ChaosStack): Promise<number> {
  const log = await readFile(stack.postgresLog, 'utf8');
  return log.match(/PANIC: {2}could not write to log file .*: File too large/g)?.length ?? 0;
}

/** Of PostgreSQL itself, and then of such sessions as there are: one that comes in between has the limit of the process that accepts it. */
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

/** Of the soft limit alone, so that no right is needed to lift it again. A process that has ended meanwhile does not matter. */
async function limitFileSize(pids: number[], bytes: number | 'unlimited'): Promise<void> {
  for (const pid of pids) {
    const process = await stat(`/proc/${pid}`).catch(() => undefined);
    if (process === undefined) continue;
    // As its own user: root in a container may not have the right to do it to another's.
    const { uid, gid } = process;
    await run('prlimit', [`--fsize=${bytes}:`, '--pid', String(pid)], { uid, gid, cwd: '/' }).catch(
      (error: Error & { stderr?: string }) => {
        if (!error.stderr?.includes('No such process')) throw error;
      },
    );
  }
}

/** Makes the table's file larger than the limit, and its last page full. Its lock is held, by the one who writes. */
async function grow(
  stack: ChaosStack,
  lock: { writeForNothing(sql: string): Promise<void> },
  table: 'meterfold.records' | 'meterfold.segments',
): Promise<void> {
  const [row] = await stack.ask<{ bytes: string }>(`select pg_relation_size('${table}'::regclass) as bytes`);
  const pages = Math.ceil(Math.max(0, TABLE_BYTES - Number(row!.bytes)) / PAGE_BYTES) + 1;
  await lock.writeForNothing(`set local session_replication_role = replica; ${FILLERS[table](pages)}`);
}

/** Rows for so many pages more than there are, of which the last one has no room left for another row. */
const FILLERS = {
  'meterfold.segments': (pages: number) => `
    insert into meterfold.segments
    select -1, n, 0, 0, convert_to(repeat('x', ${PAGE_BYTES}), 'UTF8') from generate_series(1, ${pages}) as n`,
  // The records of a burst are few enough to fit into a page: rows of one cycle until a new page begins, and there two that fill it.
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

/**
 * The floor, a lower bound: the log is copied out and the results are copied in by COPY on two connections, without any
 * computation. It uses psql, whose own cost is negligible.
 */
import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stack } from '../../test/support/stack.js';
import { secondsOf } from '../figures.js';
import type { Contender, Entrant } from './contender.js';
import { COPY_SETTINGS } from './settings.js';

const SESSIONS = [0, 1];

/** The columns that a floor reads, and the tables whose rows it writes. */
interface Layout {
  title: string;
  does: string;
  columns: string;
  tables: { schema: string; table: string; order: string }[];
}

export const sqlLayout: Layout = {
  title: 'the floor: COPY out, COPY in',
  does: "copies out id, user_id, usage; copies in the statement's rows, with their primary key",
  columns: 'id, user_id, usage',
  tables: [{ schema: 'public', table: 'baseline_sql', order: 'user_id, cycle' }],
};

export const ownLayout: Layout = {
  title: 'the floor with our record layout',
  does: "copies out id, user_id, usage, called_at; copies in meterfold's records and open cycles, with their keys",
  columns: 'id, user_id, usage, called_at',
  tables: [
    { schema: 'meterfold', table: 'records', order: 'ctid' },
    { schema: 'meterfold', table: 'open_cycles', order: 'ctid' },
  ],
};

/** Writes the rows that the contender with the same layout had written when the floor was prepared. */
export async function floor(stack: Stack, layout: Layout): Promise<Entrant> {
  const { title, does } = layout;
  if (!(await hasPsql())) return { title, missing: 'psql is not on PATH' };
  const folder = await mkdtemp(join(stack.home, 'floor-'));
  const fileOf = (table: string, session: number) => join(folder, `${table}-${session}`);
  const copyOf = (table: string) => `public.floor_${table}`;
  const running = new Set<number>();

  const psql = async (sql: string, { from, to }: { from?: string; to?: string } = {}) => {
    const child = spawn('psql', ['-qAtX', '-v', 'ON_ERROR_STOP=1', stack.databaseUrl, '-c', sql], {
      stdio: [from === undefined ? 'ignore' : 'pipe', to === undefined ? 'ignore' : 'pipe', 'inherit'],
    });
    running.add(child.pid!);
    if (from !== undefined) createReadStream(from, { highWaterMark: 1 << 20 }).pipe(child.stdin!);
    if (to !== undefined) child.stdout!.pipe(createWriteStream(to));
    const code = await new Promise((resolve) => child.once('close', resolve));
    running.delete(child.pid!);
    if (code !== 0) throw new Error(`psql ended with ${code}: ${sql}`);
  };

  const prepare = async () => {
    for (const { schema, table, order } of layout.tables) {
      for (const session of SESSIONS) {
        const half = `hashtext(user_id) ${session === 0 ? '<' : '>='} 0`;
        const select = `select * from ${schema}.${table} where ${half} order by ${order}`;
        await psql(`copy (${select}) to stdout (format binary)`, { to: fileOf(table, session) });
      }
    }
  };
  const isPrepared = () =>
    stat(fileOf(layout.tables.at(-1)!.table, 1)).then(
      () => true,
      () => false,
    );

  const job = async () => {
    const [edges] = (
      await stack.pool.query<{ middle: string }>('select (min(id) + max(id)) / 2 as middle from public.api_logs')
    ).rows;
    const half = (session: number) => `id ${session === 0 ? '<=' : '>'} ${edges!.middle}`;
    await Promise.all(
      SESSIONS.map((session) =>
        psql(`copy (select ${layout.columns} from public.api_logs where ${half(session)}) to stdout (format binary)`),
      ),
    );
    for (const { table } of layout.tables) {
      await Promise.all(
        SESSIONS.map((session) =>
          psql(`copy ${copyOf(table)} from stdin (format binary)`, { from: fileOf(table, session) }),
        ),
      );
    }
  };

  const contender: Contender = {
    title,
    does,
    settings: COPY_SETTINGS,
    async clear() {
      if (!(await isPrepared())) await prepare();
      for (const { schema, table } of layout.tables) {
        await stack.pool.query(
          `drop table if exists ${copyOf(table)}; create table ${copyOf(table)} (like ${schema}.${table} including all)`,
        );
      }
    },
    run: async () => ({ seconds: await secondsOf(job) }),
    processes: () => ({ psql: [...running] }),
    close: () => rm(folder, { recursive: true }),
  };
  return contender;
}

function hasPsql(): Promise<boolean> {
  const child = spawn('psql', ['--version'], { stdio: 'ignore' });
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
}

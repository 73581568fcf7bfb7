/**
 * Migrations: the numbered SQL files beside this one, each applied once, in order, in a transaction of its own.
 *
 * Several processes may start at once. Whoever migrates holds an advisory lock until its transaction ends; the others ask
 * for it again and again, each time in a short transaction. Waiting inside pg_advisory_lock() would hold a snapshot
 * for as long, and a `create index concurrently` of the one at work would wait for it: a deadlock. A lock that belongs to a
 * transaction also works through a pooler, and is gone with a process that dies.
 *
 * A log that somebody made by hand before the first migration is taken over if it can be billed from (src/db/adopt-log.ts). What changes
 * a table waits for no lock longer than writers may have to wait behind it (src/db/patient-locks.ts).
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { adoptLog, releaseLog, UnbillableCallsError } from './adopt-log.js';
import { adoptedObjects, grantToWorkers, ownObjects, type Revoked, revokeDefaultGrants } from './grants.js';
import { logExists } from './log-faults.js';
import { MigrationError } from './migration-error.js';
import { lockLog, type Patience, patiently } from './patient-locks.js';
import { type Client, one, type Pool, type Queryable } from './pool.js';

export { MigrationError } from './migration-error.js';

/** Oldest PostgreSQL major version that the SQL is written for. */
export const serverVersionMin = 15;

interface Migration {
  number: number;
  /** File name without its ending: "0002-runs". */
  name: string;
  sql: string;
  checksum: string;
}

const directory = new URL('./migrations/', import.meta.url);
/** The advisory lock's key, the same in every version: "meterfo" in ASCII. In decimals, as PostgreSQL 15 knows no others. */
const lockKey = '30792323054069359';
const lockPollMs = 100;
const lockWaitMs = 600_000;

export interface MigrateOptions extends Patience {
  /** Told after a migration what it revoked that default privileges had granted. */
  onRevoked?: (revoked: Revoked[]) => void;
}

/** Applies what is missing. `applied` are the names applied by this call, `current` all that the database has now. */
export async function migrate(
  pool: Pool,
  { onRevoked = () => {}, ...patience }: MigrateOptions = {},
): Promise<{ applied: string[]; current: string[] }> {
  const migrations = await readMigrations();
  const applied: string[] = [];
  const deadline = Date.now() + lockWaitMs;
  for (;;) {
    const step = await patiently(pool, (client) => applyNext(client, migrations), patience).catch(async (error) => {
      if (error instanceof UnbillableCallsError) await patiently(pool, releaseLog, patience);
      return refused(error);
    });
    if (step === 'adopting') continue;
    if (step === 'up to date') return { applied, current: migrations.map((migration) => migration.name) };
    if (step !== 'locked') {
      applied.push(step.migration.name);
      onRevoked(step.revoked);
      continue;
    }
    if (Date.now() > deadline) {
      throw new MigrationError(
        `Another process has been migrating this database for ${lockWaitMs / 60_000} minutes: let it end, then try again.`,
      );
    }
    await delay(lockPollMs);
  }
}

/** Names of the migrations that the database lacks, in order. Throws MigrationError where migrate() could not help. */
export async function pendingMigrations(queryable: Queryable): Promise<string[]> {
  const migrations = await readMigrations();
  return pendingOf(migrations, await appliedMigrations(queryable)).map((migration) => migration.name);
}

function refused(cause: Error & { code?: string }): never {
  if (cause.code !== '42501') throw cause;
  throw new MigrationError(
    `The role may not make meterfold's tables (${cause.message}): migrate as the owner of the database, or let the owner grant this right.`,
    { cause },
  );
}

/** The first migration that takes from roles what default privileges grant: it does so for the objects of all before it, too. */
const FIRST_WITH_GRANTS = 8;

/** A migration that changes the triggers of the log, whose partitions it then locks one after the other. */
const SETS_GUARD = /^select meterfold\.guard_log/m;

interface Step {
  migration: Migration;
  revoked: Revoked[];
}

async function applyNext(
  client: Client,
  migrations: Migration[],
): Promise<Step | 'adopting' | 'locked' | 'up to date'> {
  await checkServer(client);
  const lock = one(await client.query<{ held: boolean }>(`select pg_try_advisory_xact_lock(${lockKey}) as held`));
  if (!lock.held) return 'locked';

  // Under the lock, each statement sees what the process that held it before has committed.
  const next = pendingOf(migrations, await appliedMigrations(client))[0];
  if (next === undefined) return 'up to date';
  const known = next.number === FIRST_WITH_GRANTS ? await adoptedObjects(client) : await ownObjects(client);
  const adopts = next.number === 1 && (await logExists(client));
  if (adopts && !(await adoptLog(client))) return 'adopting';
  if (next.number === 1) await createMigrationsTable(client);
  if (SETS_GUARD.test(next.sql)) await lockLog(client, 'access exclusive');
  if (!adopts) await client.query(next.sql);
  await client.query('insert into meterfold.migrations (number, name, checksum) values ($1, $2, $3)', [
    next.number,
    next.name,
    next.checksum,
  ]);
  const revoked = await revokeDefaultGrants(client, known);
  await grantToWorkers(client, known);
  return { migration: next, revoked };
}

async function createMigrationsTable(client: Client) {
  await client.query(`
    create schema if not exists meterfold;
    create table if not exists meterfold.migrations (
      number     integer primary key check (number > 0),
      name       text not null,
      checksum   text not null,
      applied_at timestamptz not null default now()
    )`);
}

async function appliedMigrations(queryable: Queryable): Promise<Omit<Migration, 'sql'>[]> {
  const table = one(
    await queryable.query<{ found: boolean }>("select to_regclass('meterfold.migrations') is not null as found"),
  );
  if (!table.found) return [];
  const { rows } = await queryable.query<Omit<Migration, 'sql'>>(
    'select number, name, checksum from meterfold.migrations order by number',
  );
  return rows;
}

/** What is still to be applied. A migration that was applied is history: it may neither change nor be unknown. */
function pendingOf(migrations: Migration[], applied: Omit<Migration, 'sql'>[]): Migration[] {
  const checksums = new Map(applied.map((migration) => [migration.number, migration.checksum]));
  for (const { number, name } of applied) {
    if (!migrations.some((migration) => migration.number === number)) {
      throw new MigrationError(`The database has migration ${name}, made by a newer meterfold: upgrade this one.`);
    }
  }
  for (const { number, name, checksum } of migrations) {
    if (checksums.has(number) && checksums.get(number) !== checksum) {
      throw new MigrationError(
        `Migration ${name} was changed after it was applied to this database: put the file back as it was, and make the change in a new migration.`,
      );
    }
  }
  return migrations.filter((migration) => !checksums.has(migration.number));
}

async function checkServer(queryable: Queryable) {
  const server = one(
    await queryable.query<{ version: string; major: number; encoding: string; database: string }>(`
      select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
             current_setting('server_encoding') as encoding, current_database() as database`),
  );
  if (server.major < serverVersionMin) {
    throw new MigrationError(`PostgreSQL ${server.version} is too old: meterfold needs ${serverVersionMin} or newer.`);
  }
  if (server.encoding !== 'UTF8') {
    throw new MigrationError(
      `The database "${server.database}" stores text as ${server.encoding}; meterfold needs UTF8. Create one with: ` +
        "create database meterfold encoding 'UTF8' template template0;",
    );
  }
}

async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => /^\d{4}-[a-z0-9-]+\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      // A checkout may have turned line ends; that is no change of the migration.
      const sql = (await readFile(new URL(file, directory), 'utf8')).replaceAll('\r\n', '\n');
      return {
        number: Number(file.slice(0, 4)),
        name: file.replace(/\.sql$/, ''),
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
      };
    }),
  );
}

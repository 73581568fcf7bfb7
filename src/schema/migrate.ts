/**
 * Migrations: the numbered SQL files beside this one, each applied once, in order, in a transaction of its own.
 *
 * Several processes may start at once. Whoever migrates holds an advisory lock until its transaction ends; the others ask
 * for it again and again, each time in a short transaction. Waiting inside pg_advisory_lock() would hold a snapshot
 * for as long, and a `create index concurrently` of the one at work would wait for it: a deadlock. A lock that belongs to a
 * transaction also works through a pooler, and is gone with a process that dies.
 *
 * A log that somebody made by hand before the first migration is taken over if it can be billed from (src/schema/adopt-log.ts). What changes
 * a table waits for no lock longer than writers may have to wait behind it (src/schema/patient-locks.ts).
 *
 * A database may have migrations that this build does not know: during a roll-out old pods restart on the new schema, and `helm rollback`
 * brings an old build back. Each migration from 0007 on declares the oldest build that works with it (migration-files.ts), and the
 * declaration is stored when it is applied, in meterfold.declared_migrations. A build accepts unknown migrations that declare to work
 * with it, and refuses others by their version. Builds that end at 0006 read meterfold.migrations only and refuse any unknown number
 * there; a migration is therefore listed there, too, only if it does not work with them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { logExists } from '../log/faults.js';
import { type Client, one, type Pool, type Queryable } from '../postgres/pool.js';
import { adoptLog, releaseLog, UnbillableCallsError } from './adopt-log.js';
import { adoptedObjects, grantToWorkers, ownObjects, type Revoked, revokeDefaultGrants } from './grants.js';
import { MigrationError } from './migration-error.js';
import { LAST_UNDECLARED, type Migration, readMigrations, release } from './migration-files.js';
import { lockLog, type Patience, patiently } from './patient-locks.js';

export { MigrationError } from './migration-error.js';

/** Oldest PostgreSQL major version that the SQL is written for. */
export const serverVersionMin = 15;

/** A migration as the database has it. */
interface Applied {
  number: number;
  name: string;
  checksum: string;
  /** Its declaration, and the version that applied it; null up to 0006. */
  worksWith: number | null;
  release: string | null;
}

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
    if (step === 'up to date') return { applied, current: (await appliedMigrations(pool)).map(({ name }) => name) };
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
  return pendingOf(migrations, await appliedMigrations(queryable), await release()).map((migration) => migration.name);
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
  const next = pendingOf(migrations, await appliedMigrations(client), await release())[0];
  if (next === undefined) return 'up to date';
  const known = next.number === FIRST_WITH_GRANTS ? await adoptedObjects(client) : await ownObjects(client);
  const adopts = next.number === 1 && (await logExists(client));
  if (adopts && !(await adoptLog(client))) return 'adopting';
  if (next.number === 1) await createMigrationsTable(client);
  if (SETS_GUARD.test(next.sql)) await lockLog(client, 'access exclusive');
  if (!adopts) await client.query(next.sql);
  await recordMigration(client, next);
  const revoked = await revokeDefaultGrants(client, known);
  await grantToWorkers(client, known);
  return { migration: next, revoked };
}

async function recordMigration(client: Client, { number, name, checksum, worksWith }: Migration) {
  if (worksWith !== undefined) {
    await client.query(
      `insert into meterfold.declared_migrations (number, name, checksum, works_with, release)
       values ($1, $2, $3, $4, $5)`,
      [number, name, checksum, worksWith, await release()],
    );
  }
  // What builds without declarations must refuse.
  if (worksWith === undefined || worksWith > LAST_UNDECLARED) {
    await client.query('insert into meterfold.migrations (number, name, checksum) values ($1, $2, $3)', [
      number,
      name,
      checksum,
    ]);
  }
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

async function appliedMigrations(queryable: Queryable): Promise<Applied[]> {
  const tables = one(
    await queryable.query<{ listed: boolean; declared: boolean }>(
      `select to_regclass('meterfold.migrations') is not null as listed,
              to_regclass('meterfold.declared_migrations') is not null as declared`,
    ),
  );
  if (!tables.listed) return [];
  const undeclared =
    'select number, name, checksum, null::integer as "worksWith", null::text as release from meterfold.migrations';
  if (!tables.declared) return (await queryable.query<Applied>(`${undeclared} order by number`)).rows;
  const { rows } = await queryable.query<Applied>(`
    select number, name, checksum, works_with as "worksWith", release from meterfold.declared_migrations
     union all
    (${undeclared} where number not in (select number from meterfold.declared_migrations))
     order by number`);
  return rows;
}

/**
 * The migrations still to be applied. An applied one is history: it may not change. One that this build does not know must declare to
 * work with it.
 */
function pendingOf(migrations: Migration[], applied: Applied[], ownRelease: string): Migration[] {
  const newest = migrations.at(-1)!;
  for (const migration of applied) {
    if (!migrations.some(({ number }) => number === migration.number)) checkWorksWith(migration, newest, ownRelease);
  }
  const checksums = new Map(applied.map((migration) => [migration.number, migration.checksum]));
  for (const { number, name, checksum } of migrations) {
    if (checksums.has(number) && checksums.get(number) !== checksum) {
      throw new MigrationError(
        `Migration ${name} was changed after it was applied to this database: put the file back as it was, and make the change in a new migration.`,
      );
    }
  }
  return migrations.filter((migration) => !checksums.has(migration.number));
}

/** Throws MigrationError unless a build whose newest migration is that one works with the unknown migration. */
function checkWorksWith(unknown: Applied, newest: Migration, ownRelease: string): void {
  const { name, worksWith } = unknown;
  if (worksWith !== null && worksWith <= newest.number) return;
  const needs =
    worksWith === null
      ? 'declares no older build that works with it'
      : `works with builds from ${numbered(worksWith)} on`;
  throw new MigrationError(
    `The database has migration ${name} of meterfold ${unknown.release ?? '(a newer one)'}, which ${needs}, and this build, ` +
      `meterfold ${ownRelease}, ends at ${newest.name}: run meterfold ${unknown.release ?? 'of that version'} or newer.`,
  );
}

const numbered = (number: number) => `migration ${String(number).padStart(4, '0')}`;

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

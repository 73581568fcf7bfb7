/**
 * Applies the migrations (migration-files.ts), each once, in order, in a transaction of its own.
 *
 * Several processes may migrate at the same time. One of them holds an advisory lock until its transaction ends; the
 * others poll for it in short transactions. Waiting inside pg_advisory_lock() would hold a snapshot, and a `create
 * index concurrently` in the migration being applied would wait for that snapshot: a deadlock. A transaction-level lock
 * also works through a pooler, and ends with a process that dies.
 *
 * A log that existed before the first migration is adopted if it can be billed from (adopt-log.ts). A statement that
 * changes a table in use waits for its lock only briefly (patient-locks.ts).
 *
 * A database may have migrations that this build does not know: during a roll-out, old pods restart on the new schema,
 * and `helm rollback` brings an old build back. meterfold.migrations stores what each migration declares about older
 * builds. A build accepts unknown migrations that declare to work with it, and refuses others with the version that
 * applied them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { logExists } from '../log/faults.js';
import { type Client, one, type Pool, type Queryable } from '../postgres/pool.js';
import { adoptLog } from './adopt-log.js';
import { grantToWorkers, logObjects, ownObjects, type Revoked, revokeDefaultGrants } from './grants.js';
import { hasOldLimits, removeLimits, setLimits, UnbillableCallsError, validateLimits } from './log-limits.js';
import { MigrationError } from './migration-error.js';
import { type Migration, padded, readMigrations, release } from './migration-files.js';
import { lockLog, type Patience, patiently } from './patient-locks.js';

export { MigrationError } from './migration-error.js';

/** Oldest supported major version of PostgreSQL. */
export const serverVersionMin = 15;

/** A row of meterfold.migrations. */
interface Applied {
  number: number;
  name: string;
  checksum: string;
  /** See Migration.worksWith; null in the baseline. */
  worksWith: number | null;
  /** The version of meterfold that applied it. */
  release: string;
}

/**
 * Key of the advisory lock, the same in every version: "meterfo" in ASCII. Decimal, because PostgreSQL 15 has no
 * hexadecimal literals.
 */
const lockKey = '30792323054069359';
const lockPollMs = 100;
const lockWaitMs = 600_000;

export interface MigrateOptions extends Patience {
  /** Receives, after each migration, what default privileges had granted and the migration revoked. */
  onRevoked?: (revoked: Revoked[]) => void;
}

/**
 * Applies pending migrations. `applied` has the names applied by this call, `current` all names that the database has
 * afterwards.
 */
export async function migrate(
  pool: Pool,
  { onRevoked = () => {}, ...patience }: MigrateOptions = {},
): Promise<{ applied: string[]; current: string[] }> {
  const migrations = await readMigrations();
  const applied: string[] = [];
  const deadline = Date.now() + lockWaitMs;
  for (;;) {
    const step = await patiently(pool, (client) => applyNext(client, migrations), patience).catch(async (error) => {
      if (error instanceof UnbillableCallsError) await patiently(pool, removeLimits, patience);
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
        `Another process has been migrating this database for ${lockWaitMs / 60_000} minutes: ` +
          'wait until it has ended, then try again.',
      );
    }
    await delay(lockPollMs);
  }
}

/**
 * Names of the migrations that the database lacks, in order. Throws MigrationError where migrate() would refuse the
 * database.
 */
export async function pendingMigrations(queryable: Queryable): Promise<string[]> {
  const migrations = await readMigrations();
  return pendingOf(migrations, await appliedMigrations(queryable), await release()).map((migration) => migration.name);
}

function refused(cause: Error & { code?: string }): never {
  if (cause.code !== '42501') throw cause;
  throw new MigrationError(
    `The role may not create meterfold's tables (${cause.message}): migrate as the owner of the database, ` +
      'or let the owner grant this right.',
    { cause },
  );
}

/** Matches a migration that changes the triggers of the log. */
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

  // Each statement that runs under the lock sees what its previous holder has committed.
  const next = pendingOf(migrations, await appliedMigrations(client), await release())[0];
  if (next === undefined) {
    if (!(await hasOldLimits(client))) return 'up to date';
    await setLimits(client);
    return 'up to date';
  }
  const isFirst = next.number === 1;
  const known = isFirst ? await logObjects(client) : await ownObjects(client);
  const adopts = isFirst && (await logExists(client));
  if (adopts && !(await adoptLog(client))) return 'adopting';
  if (isFirst) await createMigrationsTable(client);
  if (SETS_GUARD.test(next.sql)) await lockLog(client);
  if (!adopts) await client.query(next.sql);
  // The new log is empty: both steps take a moment.
  if (isFirst && !adopts) while (!(await validateLimits(client)));
  await recordMigration(client, next);
  const revoked = await revokeDefaultGrants(client, known);
  await grantToWorkers(client, known);
  return { migration: next, revoked };
}

async function recordMigration(client: Client, { number, name, checksum, worksWith }: Migration): Promise<void> {
  await client.query(
    'insert into meterfold.migrations (number, name, checksum, works_with, release) values ($1, $2, $3, $4, $5)',
    [number, name, checksum, worksWith ?? null, await release()],
  );
}

async function createMigrationsTable(client: Client): Promise<void> {
  await client.query(`
    create schema if not exists meterfold;
    create table if not exists meterfold.migrations (
      number     integer not null,
      name       text not null,
      checksum   text not null,
      -- The oldest build that works once the migration is applied, by the newest migration that this build knows.
      works_with integer,
      -- The version of meterfold that applied it.
      release    text not null,
      applied_at timestamptz not null default now(),
      constraint migrations_pkey primary key (number),
      constraint migrations_number_check check (number > 0),
      constraint migrations_works_with_check check (works_with between 1 and number)
    )`);
}

/** Throws MigrationError for a schema of a build before the baseline, whose meterfold.migrations had other columns. */
async function appliedMigrations(queryable: Queryable): Promise<Applied[]> {
  const table = one(
    await queryable.query<{ exists: boolean; unreleased: boolean }>(
      `select relation is not null as exists,
              relation is not null and not exists (
                select from pg_attribute where attrelid = relation and attname = 'works_with' and not attisdropped
              ) as unreleased
         from to_regclass('meterfold.migrations') as relation`,
    ),
  );
  if (table.unreleased) {
    throw new MigrationError(
      'The schema meterfold was created by a development build from before the first release, and cannot be migrated. ' +
        'Remove it by `drop schema meterfold cascade;` (this deletes the bills, and keeps public.api_logs with its calls), ' +
        'then run `meterfold migrate`. The next run bills the log from its first call.',
    );
  }
  if (!table.exists) return [];
  const { rows } = await queryable.query<Applied>(
    'select number, name, checksum, works_with as "worksWith", release from meterfold.migrations order by number',
  );
  return rows;
}

/**
 * The migrations that are not applied. Throws MigrationError if an applied one has changed, or an unknown one does not
 * work with this build.
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
        `Migration ${name} was changed after it was applied to this database: restore the file, ` +
          'and make the change in a new migration.',
      );
    }
  }
  return migrations.filter((migration) => !checksums.has(migration.number));
}

/** Throws MigrationError unless the unknown migration works with a build whose newest migration is `newest`. */
function checkWorksWith(unknown: Applied, newest: Migration, ownRelease: string): void {
  const oldest = unknown.worksWith ?? unknown.number;
  if (oldest <= newest.number) return;
  throw new MigrationError(
    `The database has migration ${unknown.name} of meterfold ${unknown.release}, which works with builds from migration ` +
      `${padded(oldest)} on, and this build, meterfold ${ownRelease}, ends at ${newest.name}: ` +
      `run meterfold ${unknown.release} or newer.`,
  );
}

async function checkServer(queryable: Queryable): Promise<void> {
  const server = one(
    await queryable.query<{ version: string; major: number; encoding: string; database: string }>(`
      select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
             current_setting('server_encoding') as encoding, current_database() as database`),
  );
  if (server.major < serverVersionMin) {
    throw new MigrationError(
      `PostgreSQL ${server.version} is too old: meterfold needs version ${serverVersionMin} or newer.`,
    );
  }
  if (server.encoding !== 'UTF8') {
    throw new MigrationError(
      `The database "${server.database}" stores text as ${server.encoding}; meterfold needs UTF8. Create one by: ` +
        "create database meterfold encoding 'UTF8' template template0;",
    );
  }
}

/** `meterfold doctor`: everything billing relies on, a line each, with the fix where something is wrong. */
import type { Command } from 'commander';
import { bad, type Check, good, subject, unseen, warn } from '../../operations/doctor-check.js';
import { temporalChecks } from '../../operations/doctor-temporal.js';
import type { Pool } from '../../postgres/pool.js';
import { type Context, withContext } from '../context.js';
import { counted, writeJson, writeLine } from '../text/output.js';
import { placesOf } from '../text/problems.js';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check the database, Temporal and the workers; says how to mend what is wrong')
    .option('--trust <roles...>', 'roles that are meant to have what they were granted: not warned about')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Exit code 1 if anything is wrong; a warning is not. Nothing is changed.

Examples:
  $ meterfold doctor
  $ meterfold doctor --trust web_app reporting
  $ meterfold doctor --json | jq '.checks[] | select(.ok == false)'`,
    )
    .action(examine);
}

async function examine(flags: { json?: boolean; trust?: string[] }) {
  await withContext(async (context) => {
    const [database, temporal] = await Promise.all([
      databaseChecks(context, flags.trust ?? []),
      temporalChecks(context),
    ]);
    const checks = [...database, ...temporal];
    const faults = checks.filter((check) => check.ok === false).length;
    if (faults > 0) process.exitCode = 1;
    if (flags.json) return writeJson({ ok: faults === 0, checks });
    const width = Math.max(...checks.map((check) => check.name.length));
    for (const { name, ok, warning, found, fix } of checks) {
      const mark = ok === null ? '–' : warning ? '!' : ok ? '✓' : '✗';
      await writeLine(`${mark} ${name.padEnd(width)}  ${found}${fix === undefined ? '' : `. Fix: ${fix}`}`);
    }
    const warnings = checks.filter((check) => check.warning).length;
    const warned = warnings === 0 ? '' : `, ${counted(warnings, 'warning')}`;
    await writeLine(faults > 0 ? `\n${counted(faults, 'fault')}${warned}.` : `\nAll is well${warned}.`);
  });
}

const logChecks = ['rights', 'row-level security', 'session', 'migrations', 'log', 'log guard', 'access'];

async function databaseChecks(context: Context, trusted: readonly string[]): Promise<Check[]> {
  const server = await subject('database', context, async () => serverChecks(await context.bareDatabase()));
  if (server.some((check) => !check.ok)) return [...server, ...logChecks.map(unseen)];
  const pool = await context.bareDatabase();
  const rights = await subject('rights', context, () => rightsChecks(pool));
  if (rights.some((check) => !check.ok)) return [...server, ...rights, ...logChecks.slice(1).map(unseen)];
  const rowSecurity = await subject('row-level security', context, () => rowSecurityChecks(pool));
  if (rowSecurity.some((check) => !check.ok))
    return [...server, ...rights, ...rowSecurity, ...logChecks.slice(2).map(unseen)];
  const session = await subject('session', context, () => sessionChecks(pool));
  const migrations = await subject('migrations', context, () => migrationChecks(pool));
  const log = await subject('log', context, () => logFaultChecks(pool));
  const isMigrated = migrations.every((check) => check.ok);
  const guard = isMigrated ? await subject('log guard', context, () => logGuardChecks(pool)) : [unseen('log guard')];
  const access = isMigrated ? await subject('access', context, () => accessChecks(pool, trusted)) : [unseen('access')];
  const replica = await subject('log replica', context, () => replicaChecks(context, pool));
  return [...server, ...rights, ...rowSecurity, ...session, ...migrations, ...log, ...guard, ...access, ...replica];
}

/** Only where one is set. */
async function replicaChecks({ config }: Context, primary: Pool): Promise<Check[]> {
  if (config.logReplicaUrl === undefined) return [];
  const [{ openPool }, { ReplicaUnfitError, replicaLagBytes }] = await Promise.all([
    import('../../postgres/pool.js'),
    import('../../log/replica.js'),
  ]);
  const replica = await openPool(config.logReplicaUrl, { applicationName: 'meterfold cli', connectionsMax: 1 });
  try {
    const behind = await replicaLagBytes(primary, replica);
    return [good('log replica', `a streaming replica of the database, ${behind} bytes of WAL behind`)];
  } catch (error) {
    if (error instanceof ReplicaUnfitError) return [bad('log replica', error.message)];
    return [
      bad('log replica', `not reachable: ${(error as Error).message}`, 'start it, or mend or unset LOG_REPLICA_URL'),
    ];
  } finally {
    await replica.end();
  }
}

async function serverChecks(pool: Pool): Promise<Check[]> {
  const { one } = await import('../../postgres/pool.js');
  const { serverVersionMin } = await import('../../schema/migrate.js');
  const server = one(
    await pool.query<{
      version: string;
      major: number;
      encoding: string;
      database: string;
      role: string;
      isStandby: boolean;
    }>(`
      select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
             current_setting('server_encoding') as encoding, current_database() as database, current_user as role,
             pg_is_in_recovery() as "isStandby"`),
  );
  const { database } = placesOf(process.env);
  const found = `"${server.database}" at ${database} as role "${server.role}"`;
  return [
    server.isStandby
      ? bad('database', `${found} is a standby, which takes no writes`, 'set DATABASE_URL to the primary server')
      : good('database', found),
    server.major >= serverVersionMin
      ? good('version', `PostgreSQL ${server.version}`)
      : bad('version', `PostgreSQL ${server.version}`, `use PostgreSQL ${serverVersionMin} or newer`),
    server.encoding === 'UTF8'
      ? good('encoding', 'UTF8')
      : bad('encoding', server.encoding, "create database meterfold encoding 'UTF8' template template0;"),
  ];
}

async function rightsChecks(pool: Pool): Promise<Check[]> {
  const { grantToSeeStarts, missingRights } = await import('../../schema/rights.js');
  const missing = await missingRights(pool);
  if (missing.length === 0) {
    const grant = await grantToSeeStarts(pool);
    const note =
      grant === undefined ? '' : `; note: since when other roles write to the log is hidden without ${grant}`;
    return [good('rights', `all that billing needs${note}`)];
  }
  return missing.map(({ rights, fix }) => bad('rights', `lacks ${rights}`, fix));
}

async function rowSecurityChecks(pool: Pool): Promise<Check[]> {
  const { hiddenTables } = await import('../../postgres/row-security.js');
  const { one } = await import('../../postgres/pool.js');
  const { BILLING_TABLES } = await import('../../schema/tables.js');
  const hidden = await hiddenTables(pool, BILLING_TABLES);
  if (hidden.length === 0) return [good('row-level security', 'hides nothing from this role')];
  const { role } = one(await pool.query<{ role: string }>('select current_user as role'));
  return hidden.map(({ name, fix }) =>
    bad('row-level security', `row-level security hides rows of ${name} from role "${role}"`, fix),
  );
}

/** What the role's and the database's own settings are, where meterfold's sessions have others; and what is not possible in them. */
async function sessionChecks(pool: Pool): Promise<Check[]> {
  const { missingTemporaryGrant, overriddenSettings } = await import('../../schema/session-overrides.js');
  const overridden = await overriddenSettings(pool);
  const list = overridden.map(({ name, theirs, ours }) => `${name} (${ours} instead of ${theirs})`).join(', ');
  const found = overridden.length === 0 ? 'settings as meterfold needs them' : `meterfold overrides ${list}`;
  const isReadOnly = overridden.some(({ name }) => name === 'default_transaction_read_only');
  const grant = await missingTemporaryGrant(pool);
  return [
    isReadOnly
      ? warn('session', `${found}: it writes all the same`, 'stop the workers if nothing is to be written')
      : good('session', found),
    ...(grant === undefined
      ? []
      : [warn('backup attempts', 'none: they need temporary tables, which this role may not make', grant)]),
  ];
}

async function migrationChecks(pool: Pool): Promise<Check[]> {
  const { pendingMigrations } = await import('../../schema/migrate.js');
  const pending = await pendingMigrations(pool);
  if (pending.length === 0) return [good('migrations', 'up to date')];
  return [bad('migrations', `${pending.join(', ')} missing`, 'meterfold migrate')];
}

async function logFaultChecks(pool: Pool): Promise<Check[]> {
  const { logFaults } = await import('../../log/faults.js');
  const faults = await logFaults(pool);
  if (faults.length === 0) return [good('log', 'columns, key and sequence of public.api_logs are as they must be')];
  return faults.map(({ what, fix }) => bad('log', what, fix));
}

async function logGuardChecks(pool: Pool): Promise<Check[]> {
  const { unguardedTables } = await import('../../schema/log-guard.js');
  const { logExists } = await import('../../log/faults.js');
  if (!(await logExists(pool))) return [unseen('log guard')];
  const unguarded = await unguardedTables(pool);
  if (unguarded.length === 0) return [good('log guard', 'public.api_logs takes inserts only')];
  const found = `calls that may be billed can be changed, deleted or truncated in ${unguarded.join(', ')}`;
  return [warn('log guard', found, 'meterfold migrate --log-guard on')];
}

async function accessChecks(pool: Pool, trusted: readonly string[]): Promise<Check[]> {
  const { foreignAccess } = await import('../../schema/access.js');
  const others = await foreignAccess(pool, trusted);
  if (others.length > 0) return others.map(({ role, may, fix }) => warn('access', `role ${role} ${may}`, fix));
  const besides = trusted.length === 0 ? '' : ` and ${trusted.join(', ')}`;
  return [
    good('access', `no role but the owner, this one${besides} may read or write what meterfold owns; superusers may`),
  ];
}

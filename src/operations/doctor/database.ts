/** The checks of PostgreSQL: the server, the role's privileges, the schema, the log, and who else has access. */
import { logExists, logFaults } from '../../log/faults.js';
import { ReplicaUnfitError, replicaLagBytes } from '../../log/replica.js';
import { one, openPool, type Pool } from '../../postgres/pool.js';
import { hiddenTables } from '../../postgres/row-security.js';
import { foreignAccess } from '../../schema/access.js';
import { unguardedTables } from '../../schema/log-guard.js';
import { pendingMigrations, serverVersionMin } from '../../schema/migrate.js';
import { grantToSeeStarts, missingRights } from '../../schema/rights.js';
import { missingTemporaryGrant, overriddenSettings } from '../../schema/session-overrides.js';
import { BILLING_TABLES } from '../../schema/tables.js';
import { addressesOf } from '../explain.js';
import type { Servers } from '../servers.js';
import { bad, type Check, good, isFault, subject, unchecked, warn } from './check.js';

interface Subject {
  name: string;
  look(pool: Pool): Promise<Check[]>;
}

/** A fault in one of these would make the checks after it fail too. */
const FIRST: readonly Subject[] = [
  { name: 'database', look: serverChecks },
  { name: 'rights', look: rightsChecks },
  { name: 'row-level security', look: rowSecurityChecks },
];

/** `trusted` are the roles that are meant to have the privileges that they were granted. */
export async function databaseChecks(servers: Servers, trusted: readonly string[]): Promise<Check[]> {
  const rest: readonly Subject[] = [
    { name: 'session', look: sessionChecks },
    { name: 'migrations', look: migrationChecks },
    { name: 'log', look: logFaultChecks },
  ];
  const migrated: readonly Subject[] = [
    { name: 'log guard', look: logGuardChecks },
    { name: 'access', look: (pool) => accessChecks(pool, trusted) },
  ];
  const run = ({ name, look }: Subject) => subject(name, servers, async () => look(await servers.bareDatabase()));
  const all = [...FIRST, ...rest, ...migrated];
  const checks: Check[] = [];
  for (const [index, first] of FIRST.entries()) {
    checks.push(...(await run(first)));
    if (checks.some(isFault)) return [...checks, ...all.slice(index + 1).map(({ name }) => unchecked(name))];
  }
  for (const one of rest) checks.push(...(await run(one)));
  const isMigrated = !checks.some((check) => check.name === 'migrations' && isFault(check));
  for (const one of migrated) checks.push(...(isMigrated ? await run(one) : [unchecked(one.name)]));
  return [...checks, ...(await subject('log replica', servers, () => replicaChecks(servers)))];
}

/** None if LOG_REPLICA_URL is not set. */
async function replicaChecks(servers: Servers): Promise<Check[]> {
  const { logReplicaUrl } = servers.config;
  if (logReplicaUrl === undefined) return [];
  const replica = await openPool(logReplicaUrl, { applicationName: 'meterfold cli', connectionsMax: 1 });
  try {
    const behind = await replicaLagBytes(await servers.bareDatabase(), replica);
    return [good('log replica', `a streaming replica of the database, ${behind} bytes of WAL behind`)];
  } catch (error) {
    if (error instanceof ReplicaUnfitError) return [bad('log replica', error.message)];
    const found = `not reachable: ${(error as Error).message}`;
    return [bad('log replica', found, 'start it, or correct or unset LOG_REPLICA_URL')];
  } finally {
    await replica.end();
  }
}

async function serverChecks(pool: Pool): Promise<Check[]> {
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
  const found = `"${server.database}" at ${addressesOf(process.env).database} as role "${server.role}"`;
  return [
    server.isStandby
      ? bad('database', `${found} is a standby, which accepts no writes`, 'set DATABASE_URL to the primary server')
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
  const missing = await missingRights(pool);
  if (missing.length > 0) return missing.map(({ rights, fix }) => bad('rights', `lacks ${rights}`, fix));
  const grant = await grantToSeeStarts(pool);
  const note =
    grant === undefined
      ? ''
      : `; note: this role cannot see when transactions of other roles began. To allow it: ${grant}`;
  return [good('rights', `all that billing needs${note}`)];
}

async function rowSecurityChecks(pool: Pool): Promise<Check[]> {
  const hidden = await hiddenTables(pool, BILLING_TABLES);
  if (hidden.length === 0) return [good('row-level security', 'hides nothing from this role')];
  const { role } = one(await pool.query<{ role: string }>('select current_user as role'));
  return hidden.map(({ name, fix }) =>
    bad('row-level security', `row-level security hides rows of ${name} from role "${role}"`, fix),
  );
}

/**
 * The settings of the role and the database that meterfold's sessions override, and what the role may not do in a
 * session.
 */
async function sessionChecks(pool: Pool): Promise<Check[]> {
  const overridden = await overriddenSettings(pool);
  const list = overridden.map(({ name, theirs, ours }) => `${name} (${ours} instead of ${theirs})`).join(', ');
  const found = overridden.length === 0 ? 'settings as meterfold needs them' : `meterfold overrides ${list}`;
  const isReadOnly = overridden.some(({ name }) => name === 'default_transaction_read_only');
  const grant = await missingTemporaryGrant(pool);
  return [
    isReadOnly
      ? warn('session', `${found}: meterfold writes nevertheless`, 'stop the workers if nothing is to be written')
      : good('session', found),
    ...(grant === undefined
      ? []
      : [warn('backup attempts', 'none: they need temporary tables, which this role may not create', grant)]),
  ];
}

async function migrationChecks(pool: Pool): Promise<Check[]> {
  const pending = await pendingMigrations(pool);
  if (pending.length === 0) return [good('migrations', 'up to date')];
  return [bad('migrations', `${pending.join(', ')} missing`, 'meterfold migrate')];
}

async function logFaultChecks(pool: Pool): Promise<Check[]> {
  const faults = await logFaults(pool);
  if (faults.length === 0) return [good('log', 'columns, key and sequence of public.api_logs are as they must be')];
  return faults.map(({ what, fix }) => bad('log', what, fix));
}

async function logGuardChecks(pool: Pool): Promise<Check[]> {
  if (!(await logExists(pool))) return [unchecked('log guard')];
  const unguarded = await unguardedTables(pool);
  if (unguarded.length === 0) return [good('log guard', 'public.api_logs takes inserts only')];
  const found = `calls that may be billed can be changed, deleted or truncated in ${unguarded.join(', ')}`;
  return [warn('log guard', found, 'meterfold migrate --log-guard on')];
}

async function accessChecks(pool: Pool, trusted: readonly string[]): Promise<Check[]> {
  const others = await foreignAccess(pool, trusted);
  if (others.length > 0) return others.map(({ role, may, fix }) => warn('access', `role ${role} ${may}`, fix));
  const besides = trusted.length === 0 ? '' : ` and ${trusted.join(', ')}`;
  return [good('access', `only the owner, this role${besides} and superusers may read or write what meterfold owns`)];
}

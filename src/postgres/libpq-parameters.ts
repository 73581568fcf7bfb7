/**
 * The connection parameters of libpq (PostgreSQL 18), each with its environment variable. Meterfold either treats a
 * parameter as libpq does or refuses it by name with the reason. Only parameters that meterfold sets itself are
 * ignored.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS and libpq-envars.html.
 */

export interface LibpqParameter {
  /** The environment variable that libpq reads if the URL does not set the parameter. */
  variable?: string;
  /** Accepted values. If absent, all values are accepted, unless `refused` is set. */
  values?: readonly string[];
  /** Why all other values (without `values`, all values) are refused, and the fix. */
  refused?: string;
  /** The environment variable has no effect, because meterfold sets the parameter itself. */
  setByUs?: true;
}

const NO_GSSAPI = 'meterfold has no GSSAPI; use a password or a client certificate';
const NO_OAUTH = 'meterfold has no OAuth; use a password or a client certificate';
const OWN_LIMITS = 'meterfold has its own limits for dead connections; leave it out';
const ONE_HOST = 'write the address as the host';

export const LIBPQ_PARAMETERS: Readonly<Record<string, LibpqParameter>> = {
  // Host and database
  host: { variable: 'PGHOST' },
  hostaddr: { variable: 'PGHOSTADDR', refused: ONE_HOST },
  port: { variable: 'PGPORT' },
  dbname: { variable: 'PGDATABASE' },
  target_session_attrs: {
    variable: 'PGTARGETSESSIONATTRS',
    values: ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'],
    refused: 'it must be any, read-write, read-only, primary, standby or prefer-standby',
  },
  load_balance_hosts: {
    variable: 'PGLOADBALANCEHOSTS',
    values: ['disable'],
    refused: 'hosts are tried in the given order; leave it out',
  },
  connect_timeout: { variable: 'PGCONNECT_TIMEOUT' },
  service: { variable: 'PGSERVICE', refused: 'meterfold reads no service file; write its parameters into the URL' },
  servicefile: { refused: 'meterfold reads no service file; write its parameters into the URL' },
  // Authentication
  user: { variable: 'PGUSER' },
  password: { variable: 'PGPASSWORD' },
  passfile: { variable: 'PGPASSFILE' },
  require_auth: {
    variable: 'PGREQUIREAUTH',
    refused: 'the authentication method cannot be enforced; leave it out, and let pg_hba.conf decide',
  },
  channel_binding: {
    variable: 'PGCHANNELBINDING',
    values: ['disable', 'prefer'],
    refused: 'channel binding cannot be enforced; use sslmode=verify-full with channel_binding=prefer',
  },
  requirepeer: { variable: 'PGREQUIREPEER', refused: 'the owner of a socket is not checked; leave it out' },
  scram_client_key: { refused: 'use a password' },
  scram_server_key: { refused: 'use a password' },
  gssencmode: { variable: 'PGGSSENCMODE', values: ['disable', 'prefer'], refused: NO_GSSAPI },
  krbsrvname: { variable: 'PGKRBSRVNAME', refused: NO_GSSAPI },
  gsslib: { variable: 'PGGSSLIB', refused: NO_GSSAPI },
  gssdelegation: { variable: 'PGGSSDELEGATION', values: ['0'], refused: NO_GSSAPI },
  oauth_issuer: { refused: NO_OAUTH },
  oauth_client_id: { refused: NO_OAUTH },
  oauth_client_secret: { refused: NO_OAUTH },
  oauth_scope: { refused: NO_OAUTH },
  // TLS
  sslmode: {
    variable: 'PGSSLMODE',
    values: ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'],
    refused: 'it must be disable, allow, prefer, require, verify-ca or verify-full',
  },
  sslnegotiation: {
    variable: 'PGSSLNEGOTIATION',
    values: ['postgres', 'direct'],
    refused: 'it must be postgres or direct',
  },
  sslrootcert: { variable: 'PGSSLROOTCERT' },
  sslcert: { variable: 'PGSSLCERT' },
  sslkey: { variable: 'PGSSLKEY' },
  sslpassword: {},
  sslcertmode: {
    variable: 'PGSSLCERTMODE',
    values: ['disable', 'allow'],
    refused: 'whether the server asked for the certificate is not checked; leave it out',
  },
  sslcrl: { variable: 'PGSSLCRL' },
  sslcrldir: { variable: 'PGSSLCRLDIR', refused: 'put the lists into one file and name it in sslcrl' },
  sslsni: { variable: 'PGSSLSNI', values: ['1'], refused: 'the host name is always sent; leave it out' },
  sslcompression: { variable: 'PGSSLCOMPRESSION', values: ['0'], refused: 'TLS is never compressed; leave it out' },
  sslkeylogfile: { refused: 'no keys are logged; leave it out' },
  ssl_min_protocol_version: {
    variable: 'PGSSLMINPROTOCOLVERSION',
    values: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    refused: 'it must be TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3',
  },
  ssl_max_protocol_version: {
    variable: 'PGSSLMAXPROTOCOLVERSION',
    values: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    refused: 'it must be TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3',
  },
  // The session
  options: { variable: 'PGOPTIONS' },
  application_name: {
    variable: 'PGAPPNAME',
    setByUs: true,
    refused: 'meterfold sets it to count its workers; leave it out',
  },
  fallback_application_name: {},
  client_encoding: {
    variable: 'PGCLIENTENCODING',
    setByUs: true,
    values: ['auto', 'UTF8', 'utf8', 'UTF-8', 'utf-8'],
    refused: 'meterfold reads UTF8; leave it out',
  },
  replication: { values: ['false', 'off', 'no', '0'], refused: 'meterfold needs an ordinary session; leave it out' },
  min_protocol_version: {
    variable: 'PGMINPROTOCOLVERSION',
    values: ['3.0'],
    refused: 'meterfold speaks version 3.0; leave it out',
  },
  max_protocol_version: {
    variable: 'PGMAXPROTOCOLVERSION',
    values: ['3.0', '3.2', 'latest'],
    refused: 'it must be 3.0, 3.2 or latest',
  },
  // The network
  keepalives: { values: ['1'], refused: OWN_LIMITS },
  keepalives_idle: { refused: OWN_LIMITS },
  keepalives_interval: { refused: OWN_LIMITS },
  keepalives_count: { refused: OWN_LIMITS },
  tcp_user_timeout: { refused: OWN_LIMITS },
};

const DISTANCE_MAX = 3;

/** The known parameter whose name is most similar to an unknown one; undefined if none is close. */
export function nearestParameter(wrong: string): string | undefined {
  let nearest: string | undefined;
  let least = DISTANCE_MAX + 1;
  for (const name of Object.keys(LIBPQ_PARAMETERS)) {
    const distance = editDistance(wrong.toLowerCase(), name);
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}

/** Levenshtein distance: the number of insertions, deletions and substitutions that turn one text into the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

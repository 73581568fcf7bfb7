/**
 * Parses a libpq URL as libpq does: several hosts, percent-encoding, and parameters that take precedence over
 * environment variables (PGSSLMODE, …), which take precedence over defaults. A parameter that meterfold cannot
 * implement as libpq does is refused by name; libpq-parameters.ts lists all parameters.
 *
 *   postgres[ql]://[user[:password]@][host[:port],…][/dbname][?name=value&…]
 *
 * One default differs: the default host is localhost, because libpq's own default depends on how it was compiled. This
 * module reads no files; it only returns the path of the password file.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { LIBPQ_PARAMETERS, nearestParameter } from './libpq-parameters.js';

/**
 * The URL is invalid or requests an unsupported feature. Each fault names the parameter and the fix; none contains a
 * password.
 */
export class DatabaseUrlError extends Error {
  override name = 'DatabaseUrlError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[], options?: ErrorOptions) {
    super(`Wrong setting: in the URL of a database, ${faults.join('; ')}`, options);
    this.faults = faults;
  }
}

export interface Address {
  /** A name, an IP address, or the directory of a Unix socket, which begins with a slash. */
  host: string;
  port: number;
}

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
export type SessionAttributes = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby';

export interface DatabaseUrl {
  /** In the order in which they are tried. */
  addresses: Address[];
  user: string;
  database: string;
  password: string | undefined;
  passfile: string;
  sslmode: SslMode;
  attributes: SessionAttributes;
  /** The timeout for one host; undefined for meterfold's default. */
  connectTimeoutMs: number | undefined;
  /** All parameters that are set, by their libpq names. */
  parameters: ReadonlyMap<string, string>;
}

const SCHEME = /^postgres(?:ql)?:\/\//;
const DEFAULT_HOST = 'localhost';
const DEFAULT_PORT = '5432';
/** libpq's own minimum. */
const CONNECT_SECONDS_MIN = 2;

/** Throws DatabaseUrlError with all faults. */
export function parseDatabaseUrl(url: string, environment: NodeJS.ProcessEnv): DatabaseUrl {
  const scheme = SCHEME.exec(url);
  if (scheme === null) {
    throw new DatabaseUrlError(['it must be a PostgreSQL URL like postgres://user:password@host:5432/database']);
  }
  const faults: string[] = [];
  const given = parametersOf(url.slice(scheme[0].length), faults);
  addEnvironment(given, environment, faults);
  const get = (name: string): string | undefined => given.get(name) || undefined;

  const addresses = addressesOf(get('host'), get('port'), faults);
  const user = get('user') ?? operatingSystemUser(faults);
  const sslmode = sslmodeOf(get, faults);
  const connectTimeoutMs = timeoutOf(get('connect_timeout'), faults);
  if (faults.length > 0) throw new DatabaseUrlError(faults);
  return {
    addresses,
    user,
    database: get('dbname') ?? user,
    password: get('password'),
    passfile: get('passfile') ?? join(environment.HOME || homedir(), '.pgpass'),
    sslmode,
    attributes: (get('target_session_attrs') ?? 'any') as SessionAttributes,
    connectTimeoutMs,
    parameters: given,
  };
}

/** Returns the parameters that the URL itself sets, by their libpq names. */
function parametersOf(rest: string, faults: string[]): Map<string, string> {
  const parameters = new Map<string, string>();
  const set = (name: string, text: string | undefined) => {
    if (text !== undefined && text !== '') parameters.set(name, decoded(text, name, faults));
  };
  const { user, password, hosts, ports, database, query } = partsOf(rest);
  set('user', user);
  set('password', password);
  set('host', hosts);
  set('port', ports);
  set('dbname', database);
  for (const pair of query === undefined || query === '' ? [] : query.split('&')) {
    const equals = pair.indexOf('=');
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals), 'a parameter', faults);
    if (equals < 0) faults.push(`${name} has no value: write ${name}=…`);
    // libpq accepts it for compatibility with JDBC URLs.
    else if (pair === 'ssl=true') parameters.set('sslmode', 'require');
    else {
      const value = decoded(pair.slice(equals + 1), name, faults);
      check(name, value, name, faults);
      parameters.set(name, value);
    }
  }
  return parameters;
}

/** Splits it as libpq's conninfo_uri_parse_options() does. Nothing is decoded yet; lists are joined by commas. */
function partsOf(rest: string) {
  const credentials = /^([^@/]*)@/.exec(rest);
  const [user, password] = cutOnce(credentials?.[1], ':');
  const afterUser = rest.slice(credentials?.[0].length ?? 0);
  const [beforeQuery = '', query] = cutOnce(afterUser, '?');
  const [authority = '', database] = cutOnce(beforeQuery, '/');
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const entry of authority.split(',')) {
    const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(entry);
    const [host = '', port = ''] = bracketed === null ? cutOnce(entry, ':') : [bracketed[1], bracketed[2]];
    hosts.push(host);
    ports.push(port);
  }
  const joined = (list: string[]) => (list.every((item) => item === '') ? undefined : list.join(','));
  return { user, password, hosts: joined(hosts), ports: joined(ports), database, query };
}

function cutOnce(text: string | undefined, separator: string): [string | undefined, string | undefined] {
  const at = text?.indexOf(separator) ?? -1;
  return at < 0 ? [text, undefined] : [text!.slice(0, at), text!.slice(at + 1)];
}

function decoded(text: string, name: string, faults: string[]): string {
  try {
    const value = decodeURIComponent(text);
    if (!value.includes('\0')) return value;
  } catch {
    // Reported below.
  }
  faults.push(`${name} has an invalid percent-encoding: write a percent sign itself as %25`);
  return '';
}

function addEnvironment(given: Map<string, string>, environment: NodeJS.ProcessEnv, faults: string[]): void {
  for (const [name, { variable, setByUs }] of Object.entries(LIBPQ_PARAMETERS)) {
    const value = variable === undefined ? undefined : environment[variable];
    if (variable === undefined || !value || setByUs || given.has(name)) continue;
    check(name, value, variable, faults);
    given.set(name, value);
  }
}

/** `called` is the name by which the value was set: the parameter or its environment variable. */
function check(name: string, value: string, called: string, faults: string[]): void {
  const parameter = Object.hasOwn(LIBPQ_PARAMETERS, name) ? LIBPQ_PARAMETERS[name] : undefined;
  if (parameter === undefined) {
    const nearest = nearestParameter(name);
    faults.push(
      `${name} is no parameter of libpq${nearest === undefined ? ': leave it out' : `: did you mean ${nearest}?`}`,
    );
    return;
  }
  const { values, refused } = parameter;
  if (refused === undefined || value === '' || values?.includes(value)) return;
  faults.push(
    values === undefined ? `${called} is not supported: ${refused}` : `${called}=${value} is refused: ${refused}`,
  );
}

function addressesOf(hosts = DEFAULT_HOST, ports = DEFAULT_PORT, faults: string[]): Address[] {
  const names = hosts.split(',');
  const numbers = ports.split(',');
  if (numbers.length > 1 && numbers.length !== names.length) {
    faults.push(`${numbers.length} ports do not match ${names.length} hosts: give one port, or one for each host`);
  }
  return names.map((name, index) => {
    const text = numbers[numbers.length === 1 ? 0 : index] || DEFAULT_PORT;
    const port = Number(text);
    if (!/^\d+$/.test(text) || port < 1 || port > 65535)
      faults.push(`port ${text} must be a whole number from 1 to 65535`);
    if (name.startsWith('@'))
      faults.push(`host ${name}: sockets in the abstract namespace are not supported: use a directory`);
    return { host: name || DEFAULT_HOST, port };
  });
}

/** libpq's rules: sslrootcert=system requires verify-full, and direct TLS requires a mode that enforces TLS. */
function sslmodeOf(get: (name: string) => string | undefined, faults: string[]): SslMode {
  const system = get('sslrootcert') === 'system';
  const mode = (get('sslmode') ?? (system ? 'verify-full' : 'prefer')) as SslMode;
  if (system && mode !== 'verify-full') {
    faults.push(`sslmode=${mode} is too weak for sslrootcert=system: use sslmode=verify-full`);
  }
  if (get('sslnegotiation') === 'direct' && (mode === 'disable' || mode === 'allow' || mode === 'prefer')) {
    faults.push(`sslmode=${mode} is too weak for sslnegotiation=direct: use sslmode=require or stronger`);
  }
  return mode;
}

/** Returns undefined for 0 and below, which mean "no limit" in libpq: meterfold then applies its default. */
function timeoutOf(text: string | undefined, faults: string[]): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!/^\s*-?\d+\s*$/.test(text)) {
    faults.push(`connect_timeout=${text} must be a whole number of seconds`);
    return undefined;
  }
  return seconds <= 0 ? undefined : Math.max(seconds, CONNECT_SECONDS_MIN) * 1000;
}

function operatingSystemUser(faults: string[]): string {
  try {
    return userInfo().username;
  } catch {
    faults.push(
      'it names no user, and the operating system has no user name for this process: write postgres://user@…',
    );
    return '';
  }
}

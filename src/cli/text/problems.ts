/**
 * Whatever went wrong, as one sentence that says what to do. Codes decide, not classes: the libraries that throw
 * are loaded only by the commands that need them. A password is never shown: places are named host:port.
 */
import { failureNamed } from '../../contract/failures.js';
import { parseDatabaseUrl } from '../../postgres/database-url.js';
import { refusalOf } from '../../postgres/refusals.js';

/** A command can't do what it was asked to; the message says why and what to do. Exit code 1. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/** What a command says of a run that it does not find. */
export function unknownRun(runId: string): CommandError {
  return new CommandError(`There is no run ${runId}: \`meterfold runs\` lists them.`);
}

/** Where the database and Temporal are, as they may be shown. */
export interface Places {
  database: string;
  role: string;
  temporal: string;
  namespace: string;
}

interface Fault {
  name?: string;
  message?: string;
  code?: string | number;
  details?: string;
  cause?: unknown;
  errors?: unknown[];
  syscall?: string;
}

/** The error as one sentence with the fix; without a stack. */
export function explain(error: unknown, places: Places = placesOf(process.env)): string {
  const chain = causes(error);
  for (const fault of chain) {
    const failure = failureNamed(fault.name ?? '');
    if (failure !== undefined && failure.name !== 'InvariantError') return withFullStop(fault.message ?? '');
  }
  for (const fault of chain) {
    const refusal = refusalOf(fault);
    if (refusal !== undefined) return withFullStop(refusal.message);
  }
  for (const fault of chain) {
    const sentence = databaseProblem(fault, places) ?? temporalProblem(fault, places) ?? systemProblem(fault, places);
    if (sentence !== undefined) return sentence;
  }
  const message = chain.map((fault) => fault.message).find((text) => text !== undefined && text !== '');
  return `${firstLine(message ?? String(error))} (run it again with LOG_LEVEL=debug to see where this comes from)`;
}

/** The exit code of the first error in the chain that the table of failures knows; 1 if it knows none. */
export function exitCodeOf(error: unknown): 0 | 1 | 2 {
  const known = causes(error)
    .map(({ name }) => failureNamed(name ?? ''))
    .find((failure) => failure !== undefined);
  return known?.exitCode ?? 1;
}

/** A message of one line as a sentence; one of several lines is a list, or ends with the log of a program. */
function withFullStop(message: string): string {
  return /[.?;:]$|\n/.test(message) ? message : `${message}.`;
}

/** The places that the environment names, without passwords. Where the settings are known, Temporal's come from there: it has profiles. */
export function placesOf(environment: NodeJS.ProcessEnv, temporal?: { address: string; namespace: string }): Places {
  return {
    ...databasePlace(environment),
    temporal: temporal?.address ?? (environment.TEMPORAL_ADDRESS || 'localhost:7233'),
    namespace: temporal?.namespace ?? (environment.TEMPORAL_NAMESPACE || 'default'),
  };
}

function databasePlace(environment: NodeJS.ProcessEnv): { database: string; role: string } {
  try {
    const { addresses, user } = parseDatabaseUrl(environment.DATABASE_URL ?? '', environment);
    const places = addresses.map(({ host, port }) => {
      if (host.startsWith('/')) return `${host} (socket ${port})`;
      return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    });
    return { database: places.join(' or '), role: `the role "${user}"` };
  } catch {
    return { database: 'DATABASE_URL', role: 'the role' };
  }
}

/** The error and what caused it, outermost first; a failed connection comes as one error an address. */
function causes(error: unknown): Fault[] {
  const chain: Fault[] = [];
  const add = (item: unknown) => {
    if (typeof item !== 'object' || item === null || chain.includes(item) || chain.length === 20) return;
    const fault = item as Fault;
    chain.push(fault);
    for (const inner of fault.errors ?? []) add(inner);
    add(fault.cause);
  };
  add(error);
  return chain;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}

/** Errors that PostgreSQL sends: five characters, https://www.postgresql.org/docs/current/errcodes-appendix.html */
function databaseProblem(fault: Fault, { database, role }: Places): string | undefined {
  const { code } = fault;
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return undefined;
  const said = firstLine(fault.message ?? '');
  const at = `PostgreSQL at ${database}`;
  switch (code) {
    case '3D000':
      return `${at} has no such database (${said}): create it with \`createdb\`, or set DATABASE_URL to one that exists.`;
    case '28P01':
      return `${at} refused the password of ${role}: set the right one in DATABASE_URL.`;
    case '28000':
      return `${at} does not let ${role} in (${said}): allow it in pg_hba.conf, or set another role or sslmode in DATABASE_URL.`;
    case '42501':
      return `${at}: ${role} lacks a right (${said}): let the owner grant it, or connect as the owner; \`meterfold doctor\` lists the rights needed.`;
    case '42P01':
    case '3F000':
    case '42703':
      return `The database at ${database} lacks what this version of meterfold needs (${said}): run \`meterfold migrate\`.`;
    case '53300':
      return `${at} has no connection left (${said}): end some, or raise max_connections.`;
    case '53100':
      return `${at} has no disk space left (${said}): free some, then try again.`;
    case '57P03':
      return `${at} is starting or stopping (${said}): try again in a moment.`;
    case '57P01':
    case '57P02':
      return `${at} closed the connection (${said}): someone ended it, or the server is restarting; try again.`;
    case '57014':
      return `${at} cancelled the statement (${said}): try again; if it recurs, see who cancels it, or whether statement_timeout is below a few milliseconds.`;
    case '25006':
      return `${at} takes no writes (${said}): it is a standby; set DATABASE_URL to the primary.`;
    default:
      return `${at} refused a statement: ${said} (code ${code}).`;
  }
}

/** Errors of a gRPC call carry a number: https://grpc.io/docs/guides/status-codes/ */
function temporalProblem(fault: Fault, { temporal, namespace }: Places): string | undefined {
  const at = `Temporal at ${temporal}`;
  const noNamespace = `${at} has no namespace "${namespace}": create it with \`temporal operator namespace create --namespace ${namespace}\`, or set TEMPORAL_NAMESPACE.`;
  if (fault.name === 'NamespaceNotFoundError') return noNamespace;
  if (fault.name === 'ScheduleNotFoundError') {
    return `${at} has no meterfold schedule in namespace "${namespace}": create one with \`meterfold schedule set --every 5m\`.`;
  }
  if (fault.name === 'WorkflowNotFoundError') {
    return `${at} knows no such workflow in namespace "${namespace}": \`meterfold runs\` shows each run's workflow id.`;
  }
  if (typeof fault.code !== 'number' || fault.details === undefined) return undefined;
  const said = firstLine(fault.details);
  switch (fault.code) {
    case 4:
    case 14:
      return `Temporal is not reachable at ${temporal}: start it (\`meterfold dev\` starts one), or set TEMPORAL_ADDRESS.`;
    case 5:
      return said.toLowerCase().includes('namespace') ? noNamespace : `${at} did not find it: ${said}.`;
    case 7:
      return `${at} does not allow this in namespace "${namespace}" (${said}): check TEMPORAL_NAMESPACE and the rights of TEMPORAL_API_KEY.`;
    case 16:
      return `${at} does not accept who we are (${said}): set TEMPORAL_API_KEY, or TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH.`;
    default:
      return `${at} refused a request: ${said}.`;
  }
}

/** Errors of the network and of the client libraries on their way to the database. */
function systemProblem(fault: Fault, { database, role }: Places): string | undefined {
  const message = fault.message ?? '';
  if (message === 'Failed to connect before the deadline') return undefined;
  const at = `PostgreSQL is not reachable at ${database}`;
  // A socket's path that is not there; any other missing file is another matter.
  const code = fault.code === 'ENOENT' && fault.syscall === 'connect' ? 'ECONNREFUSED' : fault.code;
  switch (code) {
    case 'ECONNREFUSED':
      return `${at}: nothing listens there. Start it (\`meterfold dev\` starts one), or set DATABASE_URL.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${at}: the host name is not known. Set the right one in DATABASE_URL.`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${at}: it does not answer. Check the network and firewalls, or set DATABASE_URL.`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `The connection to PostgreSQL at ${database} broke off: see whether a PostgreSQL server runs there, then try again.`;
    default:
  }
  if (/timeout exceeded when trying to connect|connection timeout/i.test(message)) {
    return `${at}: it does not answer in time. Check the network and firewalls, or set DATABASE_URL.`;
  }
  if (/Connection terminated|Client has encountered a connection error/.test(message)) {
    return `The connection to PostgreSQL at ${database} broke off: see whether a PostgreSQL server runs there, then try again.`;
  }
  if (/password must be a string|no password/i.test(message)) {
    return `PostgreSQL at ${database} asks for the password of ${role}: set it in DATABASE_URL.`;
  }
  if (/does not support SSL/.test(message)) {
    return `PostgreSQL at ${database} speaks no TLS: add sslmode=disable to DATABASE_URL, or switch TLS on there.`;
  }
  if (/certificate|self-signed|ERR_TLS|SELF_SIGNED/i.test(`${message} ${fault.code ?? ''}`)) {
    return `PostgreSQL at ${database} shows a certificate that is not trusted (${firstLine(message)}): set sslrootcert in DATABASE_URL.`;
  }
  return undefined;
}

/**
 * Any error as one sentence that says what to do, and its exit code.
 *
 * Names and codes decide, not classes: this file is loaded by every command, and the libraries that throw only by those
 * that need them. A password is never shown, because servers are named by host and port.
 */
import { type Failure, failureNamed } from '../contract/failures.js';
import { parseDatabaseUrl } from '../postgres/database-url.js';
import { explainPostgres } from '../postgres/explain.js';
import { refusalOf } from '../postgres/refusals.js';
import { explainTemporal } from '../temporal/explain.js';
import { sentence } from '../text.js';

/** The addresses of the servers, as they may be shown. */
export interface Addresses {
  /** "db.example:5432", or several joined by "or". */
  database: string;
  temporal: string;
  namespace: string;
}

/** The fields that errors of PostgreSQL, Node and gRPC have. */
interface AnyError {
  name?: string;
  message?: string;
  code?: string | number;
  details?: string;
  cause?: unknown;
  errors?: unknown[];
  syscall?: string;
}

const CAUSES_MAX = 20;

/** The error as one sentence with the fix, without a stack. */
export function explain(error: unknown, addresses: Addresses): string {
  const chain = causes(error);
  for (const found of chain) {
    const message = isForPeople(found) ? found.message : refusalOf(found)?.message;
    if (message !== undefined) return sentence(message);
  }
  for (const found of chain) {
    const explained = explainTemporal(found, addresses) ?? databaseSentence(found, addresses);
    if (explained !== undefined) return explained;
  }
  const message = chain.map((found) => found.message).find((text) => text !== undefined && text !== '');
  return `${firstLine(message ?? String(error))} (run it again with LOG_LEVEL=debug to see where this comes from)`;
}

/** The row of the first error in the chain that the table of failures has a row for. */
export function failureOf(error: unknown): Failure | undefined {
  for (const { name } of causes(error)) {
    const failure = failureNamed(name ?? '');
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/**
 * The addresses in the environment. Where the settings are known, Temporal's come from there, because they may come
 * from a profile.
 */
export function addressesOf(
  environment: NodeJS.ProcessEnv,
  temporal?: { address: string; namespace: string },
): Addresses {
  return {
    database: databaseAddress(environment),
    temporal: temporal?.address ?? (environment.TEMPORAL_ADDRESS || 'localhost:7233'),
    namespace: temporal?.namespace ?? (environment.TEMPORAL_NAMESPACE || 'default'),
  };
}

function databaseAddress(environment: NodeJS.ProcessEnv): string {
  try {
    const { addresses } = parseDatabaseUrl(environment.DATABASE_URL ?? '', environment);
    const shown = addresses.map(({ host, port }) => {
      if (host.startsWith('/')) return `${host} (socket ${port})`;
      return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    });
    return shown.join(' or ');
  } catch {
    return 'DATABASE_URL';
  }
}

/** True if the message was written for a person: meterfold's own errors, except bugs. */
function isForPeople({ name = '' }: AnyError): boolean {
  return failureNamed(name) !== undefined && name !== 'InvariantError';
}

/** The error and its causes, outermost first. A failed connection has one error for each address. */
function causes(error: unknown): AnyError[] {
  const chain: AnyError[] = [];
  const add = (item: unknown) => {
    if (typeof item !== 'object' || item === null || chain.includes(item) || chain.length === CAUSES_MAX) return;
    const found = item as AnyError;
    chain.push(found);
    for (const inner of found.errors ?? []) add(inner);
    add(found.cause);
  };
  add(error);
  return chain;
}

function databaseSentence(found: AnyError, { database }: Addresses): string | undefined {
  const explained = explainPostgres(found);
  if (explained === undefined) return undefined;
  const { isReached, reason } = explained;
  if (!isReached) return `PostgreSQL is not reachable at ${database}: ${reason}.`;
  const said = `PostgreSQL at ${database}: ${firstLine(found.message ?? '')}`;
  return reason === undefined ? `${said} (code ${found.code}).` : `${said}. ${sentence(reason)}`;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}

/** Checks everything that billing relies on; changes nothing. */
import type { Servers } from '../servers.js';
import type { Check } from './check.js';
import { databaseChecks } from './database.js';
import { temporalChecks } from './temporal.js';

/** `trusted` are roles whose privileges are intended, and not warned about. */
export async function diagnose(servers: Servers, trusted: readonly string[] = []): Promise<Check[]> {
  const [database, temporal] = await Promise.all([databaseChecks(servers, trusted), temporalChecks(servers)]);
  return [...database, ...temporal];
}

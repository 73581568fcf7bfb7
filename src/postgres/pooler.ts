/**
 * Detection of connection poolers. Meterfold needs sessions: its settings, prepared statements, temporary tables and
 * the process id by which a frozen attempt is ended all belong to a session. A pooler in session mode gives each
 * connection its own server process. In transaction or statement mode it gives each transaction or statement any idle
 * process.
 *
 * The mode cannot be queried. It is detected in three ways, each of which throws PoolModeError:
 *   1. A second connection gets the server process of the first, while the first is still open (probePoolMode).
 *   2. A transaction, or the work of an attempt, runs in a different process from the one that was set up (checkBackend).
 *   3. A prepared statement is missing or already exists (refusals.ts).
 * (1) can miss the mode while other clients use the pooler; (2) then detects it before the transaction writes.
 */
import type pg from 'pg';
import { newClient } from './connection.js';
import { PoolModeError, type Session } from './session.js';

/** In session mode a second connection may have to wait for a server process; in the other modes one is idle. */
const PROBE_MS_MAX = 2_000;

/**
 * Throws PoolModeError if a new connection gets the server process of an open, idle session. Draws no conclusion if the
 * connection fails or has to wait.
 */
export async function probePoolMode(config: pg.PoolConfig, session: Session): Promise<void> {
  const probe = newClient({
    ...config,
    connectionTimeoutMillis: PROBE_MS_MAX,
    query_timeout: PROBE_MS_MAX,
  });
  probe.on('error', () => {});
  let pid: number | undefined;
  try {
    await probe.connect();
    const { rows } = await probe.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
    pid = rows[0]?.pid;
  } catch {
    // The session's own work hits the same error, if it persists, and reports it.
  } finally {
    await probe.end().catch(() => {});
  }
  if (pid === session.backendPid) throw new PoolModeError();
}

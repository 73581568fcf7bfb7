/**
 * What operations work with: the settings, and the two servers, each of which is connected to when an operation first
 * asks for it.
 */
import type { Client } from '@temporalio/client';
import type { Config } from '../config.js';
import type { Pool } from '../postgres/pool.js';

export interface Servers {
  readonly config: Config;
  /** The database with all its migrations. Throws MigrationError if it lacks one. */
  database(): Promise<Pool>;
  /** The database whether or not it is migrated. */
  bareDatabase(): Promise<Pool>;
  /** Throws TemporalUnreachableError. */
  temporal(): Promise<Client>;
}

/**
 * The tables of the schema meterfold, the only list of them in TypeScript. Tests compare it with what the migrations
 * create.
 */

export interface RunTable {
  name: string;
  /** The states of a run in which it may have rows. Whatever moves a run to another state deletes its rows. */
  states: readonly ('active' | 'published')[];
  /** A crash of PostgreSQL empties the table, and a standby cannot read it. */
  isUnlogged?: true;
  /** An attempt that ends after its run may insert rows again; a later publish deletes them. */
  mayOutliveRun?: true;
}

/** Tables whose rows are deleted when their run is discarded or reverted. */
export const RUN_TABLES: readonly RunTable[] = [
  { name: 'records', states: ['active', 'published'] },
  { name: 'open_cycles', states: ['active', 'published'] },
  { name: 'spills', states: ['active'], isUnlogged: true },
  { name: 'segments', states: ['active'], isUnlogged: true },
  { name: 'quarantine', states: ['active', 'published'] },
  { name: 'tasks', states: ['active', 'published'] },
  { name: 'attempts', states: ['active'], mayOutliveRun: true },
  { name: 'leases', states: ['active'] },
];

/**
 * Tables that name runs and keep their rows. Runs in repacked_records and in the tables of retentions can no longer be
 * discarded or reverted.
 */
export const HISTORY_TABLES = ['runs', 'repacked_records', 'retentions', 'retained_open_cycles', 'chain'] as const;

const OTHER_TABLES = ['seals', 'repacks', 'chain_head', 'migrations', 'installation'] as const;

/** All tables that billing reads or writes, with their schemas. */
export const BILLING_TABLES: readonly string[] = [
  'public.api_logs',
  ...[...RUN_TABLES.map(({ name }) => name), ...HISTORY_TABLES, ...OTHER_TABLES].map((name) => `meterfold.${name}`),
];

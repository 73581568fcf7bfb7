/** Writers of the log, as sealing sees them. */

/** A transaction that was writing to the log when a run sealed its end; null is what one may not see, or what it does not have. */
export interface Writer {
  /** Its virtual transaction: backend and number, like 3/15. */
  transaction: string;
  /** Null for a prepared transaction. */
  pid: number | null;
  application: string | null;
  user: string | null;
  startedAt: string | null;
}

/**
 * Those of `listed` that have not ended. A prepared transaction counts as one of them whoever it was before: its identity
 * changes when it is prepared or the server restarts, and waiting for one too many is safe.
 */
export function stillWriting(listed: readonly Writer[], now: readonly Writer[]): Writer[] {
  if (listed.length === 0) return [];
  const transactions = new Set(listed.map((writer) => writer.transaction));
  return now.filter((writer) => writer.pid === null || transactions.has(writer.transaction));
}

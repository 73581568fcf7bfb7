/** Writers of the log, as sealing sees them. */

/** A transaction that was writing to the log when a run sealed its end; null is what one may not see, or what it does not have. */
export interface Writer {
  /** Its virtual transaction: backend and number, like 3/15; -1 and its transaction id if it was prepared before a restart. */
  transaction: string;
  /** Null for a prepared transaction. */
  pid: number | null;
  application: string | null;
  user: string | null;
  /** ISO 8601, UTC. A prepared transaction: when it was prepared. */
  startedAt: string | null;
  /** The name of a prepared transaction, by which it is ended. */
  gid: string | null;
  /** What the role that looked may not see, in words, with the fix; null if it sees everything. */
  hidden: string | null;
}

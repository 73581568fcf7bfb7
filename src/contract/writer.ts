/**
 * A transaction that was writing to the log when a run sealed its end. A field is null if the role may not see it or
 * there is no value.
 */
export interface Writer {
  /**
   * The virtual transaction id, such as 3/15; -1 and the transaction id if it was prepared before a restart of the
   * server.
   */
  transaction: string;
  /** Null for a prepared transaction. */
  pid: number | null;
  application: string | null;
  user: string | null;
  /** ISO 8601 in UTC. For a prepared transaction, the time when it was prepared. */
  startedAt: string | null;
  /** The name of a prepared transaction, as COMMIT PREPARED and ROLLBACK PREPARED take it. */
  gid: string | null;
  /** One sentence that says what the role may not see, and the fix; null if it sees everything. */
  hidden: string | null;
}

/**
 * Time limits that depend on each other; test/unit/contract/timeouts.test.ts asserts the relations. All are in
 * milliseconds.
 *
 * # Heartbeats
 *
 *   5 × HEARTBEAT_MS ≤ HEARTBEAT_TIMEOUT_MS
 *
 * Temporal ends an attempt, and begins the next one, when it has received no heartbeat for HEARTBEAT_TIMEOUT_MS. A busy
 * worker may miss a few heartbeats without losing the activity. The SDK sends a heartbeat at most every HEARTBEAT_MS.
 *
 * # The newest attempt
 *
 *   newestUntil = min(now, scheduled) + NEWEST_MS
 *   NEWEST_MS   = HEARTBEAT_TIMEOUT_MS / 2
 *
 * No attempt can begin less than HEARTBEAT_TIMEOUT_MS after the previous one was scheduled, unless the previous one has
 * failed. So until newestUntil an attempt knows that it is the newest one of its activity. The other half of the
 * timeout is the time in which it may still act on that knowledge. `scheduled` is a time of Temporal's clock; if that
 * clock is ahead of this machine's, `now` limits the error.
 *
 *   a small run must be billed by newestUntil; otherwise its tasks fall back to one activity each
 *   a plan that opens a run later than newestUntil first asks Temporal whether its workflow still runs
 *
 * # A stalled attempt
 *
 *   STALLED_MS > NOTICED_MS_MAX (postgres/watch/liveness.ts)
 *   the next attempt begins at most STALLED_MS + HEARTBEAT_MS + HEARTBEAT_TIMEOUT_MS + RETRY_MS_MAX after the last progress
 *
 * An attempt without progress for STALLED_MS stops its heartbeat (activities/heartbeat.ts defines progress). A dead
 * connection is noticed earlier and fails with an error of its own.
 *
 * # The lease of a run
 *
 *   renewal interval = min(LEASE_RENEWAL_MS_MAX, LEASE_SECONDS / LEASE_RENEWALS)
 *   LEASE_RENEWAL_MS_MAX ≤ default LEASE_SECONDS / LEASE_RENEWALS
 *   HEARTBEAT_MS ≤ minimum LEASE_SECONDS / LEASE_RENEWALS
 *   HEARTBEAT_TIMEOUT_MS + RETRY_MS_MAX < default LEASE_SECONDS
 *
 * The lease decides only if the owner's Temporal cannot be asked. It becomes old only after LEASE_RENEWALS renewals in
 * a row were missed. It is renewed at a heartbeat, and the default outlasts the pause between two attempts.
 */

/** The interval between two heartbeats of an activity. */
export const HEARTBEAT_MS = 1000;

/** The time without a heartbeat after which Temporal ends an attempt. */
export const HEARTBEAT_TIMEOUT_MS = 10_000;

/** How long after it was scheduled an attempt is certainly the newest one of its activity. */
export const NEWEST_MS = HEARTBEAT_TIMEOUT_MS / 2;

/** The time without progress after which an attempt stops its heartbeat. */
export const STALLED_MS = 60_000;

/** The longest pause before Temporal tries an activity again. */
export const RETRY_MS_MAX = 10_000;

/** How many renewals of a lease fit in its length. */
export const LEASE_RENEWALS = 5;

/** The longest interval between two renewals of a lease. */
export const LEASE_RENEWAL_MS_MAX = 5000;

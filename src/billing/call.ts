/**
 * A billable call: the limits of its columns in public.api_logs, and the reasons why a call is refused.
 *
 * Map refuses a call that violates a limit. The build generates the kernel's constants from the numbers below
 * (scripts/build.js). The dry run (log/refusal-sql.ts) and the CHECK of the log (schema/log-limits.ts) are made of them
 * too. Only `meterfold verify` has a definition of its own (audit/sql.ts), so that it checks this one;
 * test/integration/limits.test.ts compares all of them.
 */

/** Bytes of user_id in UTF-8. */
export const USER_BYTES_MIN = 1;
export const USER_BYTES_MAX = 256;

/** Units of usage of one call. The minimum is 0. */
export const USAGE_MAX = 10n ** 15n;

/** PostgreSQL's epoch, 2000-01-01, in microseconds since 1970. */
export const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n;
/** called_at lies in the years 1970 to 2099 (UTC): the first microsecond, and the first one after the last. */
export const CALLED_AT_MIN_MICROS = 0n;
export const CALLED_AT_END_MICROS = 4_102_444_800_000_000n;

/** Why a call is refused, in the order in which the limits are checked: the first violated limit is the reason. */
export const REFUSAL = { USER: 1, USAGE: 2, TIME_MISSING: 3, TIME: 4 } as const;
export type Refusal = (typeof REFUSAL)[keyof typeof REFUSAL];

/** The reasons as errors, the quarantine and the dry run state them. */
export const REFUSAL_TEXTS: Readonly<Record<Refusal, string>> = {
  [REFUSAL.USER]: `user_id must have ${USER_BYTES_MIN} to ${USER_BYTES_MAX} bytes`,
  [REFUSAL.USAGE]: 'usage must be a number from 0 to 10^15',
  [REFUSAL.TIME_MISSING]: 'called_at must not be null',
  [REFUSAL.TIME]: 'called_at must lie in 1970 to 2099',
};

/**
 * A billable call: the limits of its columns in public.api_logs, and the reasons why a call is refused.
 *
 * Map refuses a call that violates a limit: the build generates the kernel's constants from the numbers below
 * (scripts/build.js). The dry run and the log's CHECK (schema/log-limits.ts) use the SQL below. Only `meterfold verify`
 * has a definition of its own (audit/sql.ts), so that it checks this one; test/integration/limits.test.ts compares all of
 * them.
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

const time = (micros: bigint) => `timestamptz '${new Date(Number(micros / 1000n)).toISOString()}'`;

/** SQL: true if a row of public.api_logs can be billed; false or null if it cannot. */
export const BILLABLE_SQL =
  `octet_length(user_id) between ${USER_BYTES_MIN} and ${USER_BYTES_MAX} and usage between 0 and ${USAGE_MAX} ` +
  `and called_at >= ${time(CALLED_AT_MIN_MICROS)} and called_at < ${time(CALLED_AT_END_MICROS)}`;

/** SQL: why map refuses the row `call` of public.api_logs; null if it can be billed. */
export const REFUSAL_SQL = `
  case when (octet_length(call.user_id) between ${USER_BYTES_MIN} and ${USER_BYTES_MAX}) is not true
         then '${REFUSAL_TEXTS[REFUSAL.USER]}'
       when (call.usage between 0 and ${USAGE_MAX}) is not true then '${REFUSAL_TEXTS[REFUSAL.USAGE]}'
       when call.called_at is null then '${REFUSAL_TEXTS[REFUSAL.TIME_MISSING]}'
       when call.called_at < ${time(CALLED_AT_MIN_MICROS)} or call.called_at >= ${time(CALLED_AT_END_MICROS)}
         then '${REFUSAL_TEXTS[REFUSAL.TIME]}'
  end`;

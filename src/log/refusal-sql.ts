/** The limits of a billable call (billing/call.ts) as SQL. */
import {
  CALLED_AT_END_MICROS,
  CALLED_AT_MIN_MICROS,
  REFUSAL,
  REFUSAL_TEXTS,
  USAGE_MAX,
  USER_BYTES_MAX,
  USER_BYTES_MIN,
} from '../billing/call.js';

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

/**
 * The layouts that TypeScript, the kernel and the database share. The build generates the kernel's constants from the
 * numbers below (scripts/build.js): NAME: 7 becomes NAME, and GROUP: { NAME: 7 } becomes GROUP_NAME.
 *
 *   bucket   = hashtextextended(user_id, 0) >> 52 & 4095    one of 4,096 hash ranges of users
 *   spill    = data, a bucket index
 *   data     = bucket*, in pages of 8,064 bytes             the format of a bucket: segment.ts
 *   index    = (start, CRC-32)*, 8 bytes a bucket
 *   records  = up to 96 closed cycles of one user in one row
 */

/** A user's bucket is the highest bits of the 64-bit hash of its name. */
export const BUCKET_BITS = 12;
export const BUCKETS = 2 ** BUCKET_BITS;

/** The most log positions of a partition: a call's offset in it takes at most eight bytes as a varint. */
export const SPAN_MAX = 2n ** 52n;

/** An entry of a spill's bucket index: the bucket's start in the data and its CRC-32, both big-endian. */
export const INDEX_ENTRY_BYTES = 8;
/**
 * Bytes of a spill in one row of meterfold.segments. Together with its row header, this fills one page of PostgreSQL.
 */
export const PAGE_BYTES = 8064;

/**
 * Cycles in one row of meterfold.records. With five numbers a cycle and a user_id of usual length, a row takes just
 * under half a page.
 */
export const RECORD_CYCLES_MAX = 96;
/** Bytes of each of a cycle's numbers in the row's bit strings. */
export const NUMBER_BYTES = 8;

/** Why the kernel's take() stopped. */
export const STOP = { NO_ROW: 0, FULL: 1, REFUSED: 2, DISORDER: 3 } as const;

/**
 * Offsets in a user's entry in the kernel's memory (wasm/users.ts). Numbers are little-endian, of 64 bits unless
 * stated.
 */
export const USER = {
  /** Address of the next user of the bucket, or 0; 32 bits. */
  NEXT: 0,
  /** 32 bits. */
  NAME_LENGTH: 4,
  HASH: 8,
  /** Calls of the user in the current batch, and the end of its calls in the batch's order; 32 bits each. */
  BATCH_CALLS: 16,
  BATCH_END: 20,
  /**
   * The open cycle: its calls (32 bits), their usage, the first call's id and time (if calls > 0), the cycle's number.
   */
  CALLS: 24,
  USAGE: 32,
  FIRST_ID: 40,
  FIRST_CALLED_AT: 48,
  CYCLE: 56,
  NAME: 64,
} as const;

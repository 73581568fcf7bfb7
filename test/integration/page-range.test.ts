/** When map reads heap pages as they are: only if the range is not much larger than its own calls need. */
import { expect, test } from 'vitest';
import { findPageRange } from '../../src/log/page-range.js';
import { freshStack } from '../support/stack.js';

const HISTORY = 40_000;
const NEW = 1000;

test.each([
  { name: 'in consecutive pages are a page range', early: 0 },
  { name: 'of which the first was stored in a page before the history are not', early: 1 },
])('new calls $name', async ({ early }) => {
  const stack = await freshStack();
  try {
    const append = (first: number, calls: number) =>
      stack.pool.query(
        `insert into public.api_logs (id, user_id, usage, called_at) overriding system value
         select $1::bigint + g, 'alice', 1, now() from generate_series(0, $2::integer - 1) g`,
        [first, calls],
      );
    await append(HISTORY + 1, early);
    await append(1, HISTORY);
    await append(HISTORY + 1 + early, NEW - early);
    const client = await stack.pool.connect();
    const pages = await findPageRange(client, { first: BigInt(HISTORY + 1), last: BigInt(HISTORY + NEW) });
    client.release();
    if (early > 0) expect(pages).toBeUndefined();
    else expect(pages!.lastPage - pages!.firstPage).toBeGreaterThan(0);
  } finally {
    await stack.close();
  }
});

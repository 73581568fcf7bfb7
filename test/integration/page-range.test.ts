/** Where map reads pages as they are: not beyond what its own calls take, whatever lies between them. */
import { expect, test } from 'vitest';
import { findPageRange } from '../../src/log/page-range.js';
import { freshStack } from '../support/stack.js';

const HISTORY = 40_000;
const NEW = 1000;

test.each([
  { name: 'that lie one behind the other are a stretch', early: 0 },
  { name: 'of which the first lies before the history, where there was room, are none', early: 1 },
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
    const stretch = await findPageRange(client, { first: BigInt(HISTORY + 1), last: BigInt(HISTORY + NEW) });
    client.release();
    if (early > 0) expect(stretch).toBeUndefined();
    else expect(stretch!.lastPage - stretch!.firstPage).toBeGreaterThan(0);
  } finally {
    await stack.close();
  }
});

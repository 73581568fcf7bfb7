/**
 * Money in TypeScript and in PostgreSQL. Amounts are equal. Totals are rounded as PostgreSQL's round(numeric) rounds, an
 * oracle that shares no code with meterfold, for each currency and sign.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { minorUnitDecimals, roundToMinorUnit } from '../../src/billing/currency.js';
import { formatPicos, parsePicos } from '../../src/billing/money.js';
import { amountOf } from '../../src/billing/price.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
beforeAll(async () => {
  stack = await freshStack();
});
afterAll(() => stack.close());

test('amountOf() and meterfold.amount_of() return the same amount, up to the largest usage and price', async () => {
  const usages = ['0', '1', '7', '1000000000000000', '99999999999999999999999999'];
  const prices = ['0', '0.0004', '12.5', '0.000000000001', '999999999999.999999999999'];
  const { rows } = await stack.pool.query<{ usage: string; pricePerUnit: string; amount: string }>(
    `select usage, price as "pricePerUnit", trim_scale(meterfold.amount_of(usage::numeric, price::numeric))::text as amount
       from unnest($1::text[]) usage, unnest($2::text[]) price`,
    [usages, prices],
  );
  expect(rows).toHaveLength(usages.length * prices.length);
  for (const { usage, pricePerUnit, amount } of rows) {
    const picos = amountOf({ usage: BigInt(usage) }, { pricePerUnit, currency: 'USD' });
    expect({ usage, pricePerUnit, amount: formatPicos(picos) }).toEqual({ usage, pricePerUnit, amount });
  }
});

test.each(['JPY', 'USD', 'HUF', 'KWD', 'CLF'])(
  'totals in %s are rounded as PostgreSQL rounds them',
  async (currency) => {
    const decimals = minorUnitDecimals(currency);
    // Halves, their neighbours on both sides, and amounts of every size and sign.
    const { rows } = await stack.pool.query<{ exact: string; rounded: string }>(
      `with half as (select (n + 0.5) / 10::numeric ^ $1::integer as amount from generate_series(0, 400) n),
          amount as (
            select amount + nudge as exact from half, unnest('{0, 0.000000000001, -0.000000000001}'::numeric[]) nudge
             union all
            select hashint8extended(n, 7)::numeric * 10::numeric ^ (n % 14 - 12) from generate_series(1, 2000) n)
     select trim_scale(round(sign * exact, 12))::text as exact, round(round(sign * exact, 12), $1)::text as rounded
       from amount, unnest('{1, -1}'::numeric[]) sign`,
      [decimals],
    );
    expect(rows.length).toBe(2 * (401 * 3 + 2000));
    const differing = rows.filter(({ exact, rounded }) => roundToMinorUnit(parsePicos(exact), currency) !== rounded);
    expect(differing).toEqual([]);
  },
);

test('the amount due is rounded half away from zero, to the minor unit of the currency in ISO 4217', async () => {
  await startWorker(stack);
  await stack.pool.query(
    `insert into public.api_logs (user_id, usage, called_at) select 'one', 1, now() from generate_series(1, 5)`,
  );
  await bill(stack, { pricePerUnit: '0.301', currency: 'HUF' });
  const { stdout } = await meterfold(stack, ['statement', 'one', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ totals: [{ currency: 'HUF', amount: '1.505', amount_due: '1.51' }] });
});

test('a currency that is not in ISO 4217 is refused in the settings and in the input of a run', async () => {
  await logs.uniform(stack.pool, { calls: 5, seed: 1 });
  for (const currency of ['ZZZ', 'XAU']) {
    const said = `must be a currency of ISO 4217 with a minor unit, like USD; ${currency} is none`;
    const { code, stderr } = await meterfold(stack, ['runs'], { env: { CURRENCY: currency } });
    expect([code, stderr]).toEqual([2, `meterfold: Wrong setting: CURRENCY ${said}.\n`]);
    await expect(bill(stack, { currency })).rejects.toMatchObject({
      cause: { cause: { message: `wrong input: currency ${said}`, type: 'BadInput' } },
    });
  }
});

test('a stored run with a currency that is not in ISO 4217 can be read', async () => {
  await bill(stack, { pricePerUnit: '0.301' });
  await stack.pool.query(`update meterfold.runs set currency = 'ZZZ'`);
  const { code, stdout } = await meterfold(stack, ['statement', 'one', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ totals: [{ currency: 'ZZZ', amount: '1.505', amount_due: '1.51' }] });
});

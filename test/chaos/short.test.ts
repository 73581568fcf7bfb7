/**
 * The short chaos suite: each fault in two phases, with rotating phases and a fixed seed. `npm run chaos` is the long
 * one.
 */
import { expect, test } from 'vitest';
import { deal, runCampaign } from './campaign.js';
import { FAULTS } from './faults.js';
import { PHASES } from './phases.js';
import { reportOf } from './report.js';

const LANES = 3;
/** For each round, the offset of a fault's phase from its index. */
const ROUNDS = [0, 2];

test('no fault in any phase loses a call or bills one twice', async () => {
  const cells = ROUNDS.flatMap((shift) =>
    FAULTS.map((fault, number) => ({ fault, phase: PHASES[(number + shift) % PHASES.length]! })),
  );
  const lines: string[] = [];
  const campaign = {
    seed: 'short',
    episodes: deal(cells, LANES),
    parallel: LANES,
    say: (line: string) => void lines.push(line),
  };
  const report = await reportOf(await runCampaign(campaign)).catch((error: Error) => {
    throw new Error(`${lines.join('\n')}\n${error.message}`, { cause: error });
  });
  expect(report).toMatchObject({ lost: 0, doubled: 0, faults: cells.length });
  expect(report.calls).toBeGreaterThan(0);
});

import { describe, expect, test } from 'vitest';
import {
  askedDigest,
  type CallSum,
  type MapOutcome,
  type Outcomes,
  proveRun,
  type ReduceOutcome,
} from '../../../src/billing/proof.js';

// Two partitions and two shards of a run of 30 calls. Its users carried in 4 of 6 open calls: 34 = 5 × 6 + 4.
const ofPrimary = { readFrom: 'primary' } as const;
const noneQuarantined = { quarantinedCalls: '0', quarantinedUsage: '0' };
const maps: MapOutcome[] = [
  {
    calls: '10',
    usage: '1000',
    digest: '000000000000000a',
    ...noneQuarantined,
    spills: 1,
    segmentBytes: 50,
    ...ofPrimary,
  },
  {
    calls: '20',
    usage: '2000',
    digest: 'fffffffffffffffb',
    ...noneQuarantined,
    spills: 2,
    segmentBytes: 90,
    ...ofPrimary,
  },
];
const reduces: ReduceOutcome[] = [
  {
    calls: '12',
    usage: '1100',
    digest: '0000000000000003',
    users: '3',
    cycles: '2',
    billedUsage: '1020',
    carriedInCalls: '1',
    carriedInUsage: '10',
    carriedOutCalls: '3',
    carriedOutUsage: '90',
  },
  {
    calls: '18',
    usage: '1900',
    digest: '0000000000000002',
    users: '2',
    cycles: '4',
    billedUsage: '1925',
    carriedInCalls: '3',
    carriedInUsage: '30',
    carriedOutCalls: '1',
    carriedOutUsage: '5',
  },
];
const quarantine: CallSum = { calls: 0n, usage: 0n };
const right: Outcomes = { maps, reduces, recount: { calls: '30', usage: '3000' }, quarantine };
const carriedIn: CallSum = { calls: 6n, usage: 66n };

/** The run with one figure changed. */
function changed(part: 'recount' | 'map' | 'reduce', figure: string, value: string): Outcomes {
  if (part === 'recount') return { ...right, recount: { ...right.recount, [figure]: value } };
  if (part === 'map') return { ...right, maps: [maps[0]!, { ...maps[1]!, [figure]: value }] };
  return { ...right, reduces: [reduces[0]!, { ...reduces[1]!, [figure]: value }] };
}

describe('a run that adds up', () => {
  test('has no differences', () => {
    expect(proveRun(right, carriedIn, 5).differences).toEqual([]);
  });

  test('has the totals of its shards, and carries out its own open calls and those of users without calls', () => {
    expect(proveRun(right, carriedIn, 5).totals).toEqual({
      calls: 30n,
      usage: 3000n,
      digest: '0000000000000005',
      quarantined: { calls: 0n, usage: 0n },
      users: 5n,
      cycles: 6n,
      billedUsage: 2945n,
      carriedIn: { calls: 6n, usage: 66n },
      carriedOut: { calls: 6n, usage: 121n },
      touchedIn: { calls: 4n, usage: 40n },
      touchedOut: { calls: 4n, usage: 95n },
    });
  });

  test('may close every open cycle', () => {
    const shard = {
      ...reduces[0]!,
      calls: '9',
      usage: '90',
      cycles: '2',
      billedUsage: '100',
      carriedOutCalls: '0',
      carriedOutUsage: '0',
    };
    const map = { ...maps[0]!, calls: '9', usage: '90', digest: shard.digest };
    const recount = { calls: '9', usage: '90' };
    const { totals, differences } = proveRun(
      { maps: [map], reduces: [shard], recount, quarantine },
      { calls: 1n, usage: 10n },
      5,
    );
    expect(differences).toEqual([]);
    expect(totals.carriedOut).toEqual({ calls: 0n, usage: 0n });
  });

  test('may have no calls, and then carries out what it carries in', () => {
    const nothing = { maps: [], reduces: [], recount: { calls: '0', usage: '0' }, quarantine };
    const { totals, differences } = proveRun(nothing, carriedIn, 5);
    expect(differences).toEqual([]);
    expect(totals.carriedOut).toEqual(carriedIn);
    expect(totals.digest).toBe('0000000000000000');
  });

  test('may have sums of more than 64 bits', () => {
    const usage = String(10n ** 25n + 1n);
    const map = { ...maps[0]!, calls: '5', usage, digest: '0000000000000003' };
    const shard = { ...reduces[0]!, calls: '5', usage, cycles: '1', billedUsage: usage };
    const untouched = { carriedInCalls: '0', carriedInUsage: '0', carriedOutCalls: '0', carriedOutUsage: '0' };
    const outcomes = { maps: [map], reduces: [{ ...shard, ...untouched }], recount: { calls: '5', usage }, quarantine };
    expect(proveRun(outcomes, carriedIn, 5)).toMatchObject({ differences: [], totals: { usage: 10n ** 25n + 1n } });
    const lessOne = { ...outcomes, recount: { calls: '5', usage: String(10n ** 25n) } };
    expect(proveRun(lessOne, carriedIn, 5).differences).toEqual([
      'usage summed by SQL is 10000000000000000000000000, usage read by map is 10000000000000000000000001: a difference of -1',
    ]);
  });
});

const callsOut = 'calls carried in plus calls in the range is';
const callsClosed = '5 × cycles closed plus calls carried out is';
const usageOut = 'usage carried in plus usage in the range is';
const usageBilled = 'usage billed plus usage carried out is';

const differing: ['recount' | 'map' | 'reduce', figure: string, value: string, differences: string[]][] = [
  ['recount', 'calls', '31', ['calls counted by SQL is 31, calls read by map is 30: a difference of 1']],
  ['recount', 'usage', '2993', ['usage summed by SQL is 2993, usage read by map is 3000: a difference of -7']],
  [
    'map',
    'calls',
    '19',
    [
      'calls counted by SQL is 30, calls read by map is 29: a difference of 1',
      'calls read by map is 29, calls folded by reduce is 30: a difference of -1',
    ],
  ],
  [
    'map',
    'usage',
    '2005',
    [
      'usage summed by SQL is 3000, usage read by map is 3005: a difference of -5',
      'usage read by map is 3005, usage folded by reduce is 3000: a difference of 5',
    ],
  ],
  [
    'map',
    'digest',
    'fffffffffffffffc',
    ['digest of the calls read by map is 0000000000000006, of those folded by reduce 0000000000000005'],
  ],
  [
    'reduce',
    'calls',
    '23',
    [
      'calls read by map is 30, calls folded by reduce is 35: a difference of -5',
      `${callsOut} 39, ${callsClosed} 34: a difference of 5`,
    ],
  ],
  [
    'reduce',
    'usage',
    '1901',
    [
      'usage read by map is 3000, usage folded by reduce is 3001: a difference of -1',
      `${usageOut} 3041, ${usageBilled} 3040: a difference of 1`,
    ],
  ],
  [
    'reduce',
    'digest',
    '8000000000000002',
    ['digest of the calls read by map is 0000000000000005, of those folded by reduce 8000000000000005'],
  ],
  ['reduce', 'cycles', '3', [`${callsOut} 34, ${callsClosed} 29: a difference of 5`]],
  ['reduce', 'billedUsage', '1926', [`${usageOut} 3040, ${usageBilled} 3041: a difference of -1`]],
  ['reduce', 'carriedInCalls', '2', [`${callsOut} 33, ${callsClosed} 34: a difference of -1`]],
  ['reduce', 'carriedInUsage', '31', [`${usageOut} 3041, ${usageBilled} 3040: a difference of 1`]],
  ['reduce', 'carriedOutCalls', '0', [`${callsOut} 34, ${callsClosed} 33: a difference of 1`]],
  ['reduce', 'carriedOutUsage', '4', [`${usageOut} 3040, ${usageBilled} 3039: a difference of 1`]],
];

describe('a run that does not add up says so', () => {
  test.each(differing)(
    'when %s has other %s (%s), with both values and the difference',
    (part, figure, value, differences) => {
      expect(proveRun(changed(part, figure, value), carriedIn, 5).differences).toEqual(differences);
    },
  );

  test('when a cycle has another number of calls', () => {
    expect(proveRun(right, carriedIn, 4).differences).toEqual([
      'calls carried in plus calls in the range is 34, 4 × cycles closed plus calls carried out is 28: a difference of 6',
    ]);
  });

  test.each([
    { name: 'calls', before: { calls: 3n, usage: 66n } },
    { name: 'usage', before: { calls: 6n, usage: 39n } },
  ])('when reduce carries in more $name than the previous run carried out', ({ before }) => {
    expect(proveRun(right, before, 5).differences).toEqual([
      `reduce carried in 4 calls of usage 40, more than the ${before.calls} of usage ${before.usage} that the previous run carried out`,
    ]);
  });

  test('when a whole shard is missing or duplicated', () => {
    expect(proveRun({ ...right, reduces: [reduces[0]!] }, carriedIn, 5).differences).toHaveLength(3);
    expect(proveRun({ ...right, reduces: [...reduces, reduces[0]!] }, carriedIn, 5).differences).toHaveLength(3);
  });
});

describe('if map has read a replica for at least one partition,', () => {
  const withDigest = (digest?: string): Outcomes => ({
    ...right,
    maps: [maps[0]!, { ...maps[1]!, readFrom: 'replica' }],
    recount: { ...right.recount, ...(digest === undefined ? {} : { digest }) },
  });

  test('the recount computes the digest, and otherwise it does not', () => {
    expect(askedDigest(withDigest().maps)).toEqual({ digest: true });
    expect(askedDigest(maps)).toEqual({});
  });

  test('the digest of the recount must be that of map', () => {
    expect(proveRun(withDigest('0000000000000005'), carriedIn, 5).differences).toEqual([]);
    expect(proveRun(withDigest('0000000000000006'), carriedIn, 5).differences).toEqual([
      'digest of the calls counted by SQL is 0000000000000006, of those read by map 0000000000000005',
    ]);
  });

  test('a recount without a digest proves nothing', () => {
    expect(proveRun(withDigest(), carriedIn, 5).differences).toEqual([
      'digest of the calls counted by SQL is unknown, of those read by map 0000000000000005',
    ]);
  });
});

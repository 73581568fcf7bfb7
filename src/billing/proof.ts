/**
 * The proof of a run before it is published: map, reduce and an independent recount read the same calls, and carried in
 * plus read equals billed plus carried out, for calls and for usage.
 *
 * Sums are bigint here, and decimal strings on their way through Temporal.
 */
import { addDigests } from './digest.js';

/** What map counted in one partition. */
export interface MapOutcome {
  calls: string;
  usage: string;
  digest: string;
  /** The quarantined calls, and the sum of their usages. No other figure includes them. */
  quarantinedCalls: string;
  quarantinedUsage: string;
  spills: number;
  segmentBytes: number;
  readFrom: 'primary' | 'replica';
}

/** What reduce counted in one shard. */
export interface ReduceOutcome {
  calls: string;
  usage: string;
  digest: string;
  users: string;
  cycles: string;
  billedUsage: string;
  carriedInCalls: string;
  carriedInUsage: string;
  carriedOutCalls: string;
  carriedOutUsage: string;
}

/** The run's range of the log, counted by one SQL statement that shares no code with map and reduce. */
export interface RecountOutcome extends CallsAndUsage {
  /** The digest of the calls without quarantined ones. Present only if map may have read a replica. */
  digest?: string;
}

/**
 * True if the recount must compare the digest, too: only if map read a replica. A replica that shows other calls of the
 * same number and usage would otherwise pass unnoticed.
 */
export function needsDigest(maps: readonly Pick<MapOutcome, 'readFrom'>[]): boolean {
  return maps.some(({ readFrom }) => readFrom === 'replica');
}

/** What a recount's input says about the digest. */
export function askedDigest(maps: readonly Pick<MapOutcome, 'readFrom'>[]): { digest?: true } {
  return needsDigest(maps) ? { digest: true } : {};
}

/** A number of calls, and the sum of their usages. */
export interface CallSum {
  calls: bigint;
  usage: bigint;
}

export interface Outcomes {
  maps: readonly MapOutcome[];
  reduces: readonly ReduceOutcome[];
  recount: RecountOutcome;
  /** The run's rows in the table of quarantined calls. */
  quarantine: CallSum;
}

/** A CallSum as decimal strings. */
export interface CallsAndUsage {
  calls: string;
  usage: string;
}

/** The figures of a published run, as stored and shown. Carried in and carried out cover the open cycles of all users. */
export interface PublishedFigures {
  calls: string;
  users: string;
  cycles: string;
  usage: string;
  billedUsage: string;
  /** Exact, never rounded. */
  amount: string;
  carriedIn: CallsAndUsage;
  carriedOut: CallsAndUsage;
  /** No other figure includes these calls. */
  quarantined: CallsAndUsage;
  digest: string;
}

/**
 * The figures of a run. Carried in and carried out cover the open cycles of all users; touched covers those of the users
 * with calls in this run.
 */
export interface RunTotals {
  calls: bigint;
  usage: bigint;
  digest: string;
  users: bigint;
  cycles: bigint;
  billedUsage: bigint;
  carriedIn: CallSum;
  carriedOut: CallSum;
  touchedIn: CallSum;
  touchedOut: CallSum;
  quarantined: CallSum;
}

export interface Proof {
  totals: RunTotals;
  /** A sentence for each figure that does not agree, with both values and the difference. Empty if the run is proved. */
  differences: string[];
}

/** Proves a run. `carriedIn` is what the previous run carried out. */
export function proveRun(outcomes: Outcomes, carriedIn: CallSum, callsPerCycle: number): Proof {
  const { maps, reduces, recount, quarantine } = outcomes;
  const mapped = {
    calls: sum(maps, 'calls'),
    usage: sum(maps, 'usage'),
    digest: addDigests(maps.map((map) => map.digest)),
  };
  const quarantined = { calls: sum(maps, 'quarantinedCalls'), usage: sum(maps, 'quarantinedUsage') };
  const touchedIn = { calls: sum(reduces, 'carriedInCalls'), usage: sum(reduces, 'carriedInUsage') };
  const touchedOut = { calls: sum(reduces, 'carriedOutCalls'), usage: sum(reduces, 'carriedOutUsage') };
  const totals: RunTotals = {
    calls: sum(reduces, 'calls'),
    usage: sum(reduces, 'usage'),
    digest: addDigests(reduces.map((reduce) => reduce.digest)),
    users: sum(reduces, 'users'),
    cycles: sum(reduces, 'cycles'),
    billedUsage: sum(reduces, 'billedUsage'),
    carriedIn,
    carriedOut: {
      calls: carriedIn.calls - touchedIn.calls + touchedOut.calls,
      usage: carriedIn.usage - touchedIn.usage + touchedOut.usage,
    },
    touchedIn,
    touchedOut,
    quarantined,
  };

  const differences: string[] = [];
  const equal = (left: string, leftValue: bigint, right: string, rightValue: bigint) => {
    if (leftValue === rightValue) return;
    differences.push(`${left} is ${leftValue}, ${right} is ${rightValue}: a difference of ${leftValue - rightValue}`);
  };
  const included = quarantined.calls === 0n ? '' : ' and quarantined';
  equal(
    'calls counted by SQL',
    BigInt(recount.calls),
    `calls read by map${included}`,
    mapped.calls + quarantined.calls,
  );
  equal('usage summed by SQL', BigInt(recount.usage), `usage read by map${included}`, mapped.usage + quarantined.usage);
  equal('calls read by map', mapped.calls, 'calls folded by reduce', totals.calls);
  equal('usage read by map', mapped.usage, 'usage folded by reduce', totals.usage);
  if (needsDigest(maps) && recount.digest !== mapped.digest) {
    differences.push(
      `digest of the calls counted by SQL is ${recount.digest ?? 'unknown'}, of those read by map ${mapped.digest}`,
    );
  }
  if (mapped.digest !== totals.digest) {
    differences.push(`digest of the calls read by map is ${mapped.digest}, of those folded by reduce ${totals.digest}`);
  }
  equal(
    'calls carried in plus calls in the range',
    touchedIn.calls + totals.calls,
    `${callsPerCycle} × cycles closed plus calls carried out`,
    BigInt(callsPerCycle) * totals.cycles + touchedOut.calls,
  );
  equal(
    'usage carried in plus usage in the range',
    touchedIn.usage + totals.usage,
    'usage billed plus usage carried out',
    totals.billedUsage + touchedOut.usage,
  );
  if (touchedIn.calls > carriedIn.calls || touchedIn.usage > carriedIn.usage) {
    differences.push(
      `reduce carried in ${touchedIn.calls} calls of usage ${touchedIn.usage}, ` +
        `more than the ${carriedIn.calls} of usage ${carriedIn.usage} that the previous run carried out`,
    );
  }
  if (quarantine.calls !== quarantined.calls || quarantine.usage !== quarantined.usage) {
    differences.push(
      `map quarantined ${quarantined.calls} calls of usage ${quarantined.usage}, ` +
        `the table has ${quarantine.calls} of usage ${quarantine.usage}`,
    );
  }
  return { totals, differences };
}

function sum<Key extends string>(outcomes: readonly Record<Key, string>[], key: Key): bigint {
  return outcomes.reduce((total, outcome) => total + BigInt(outcome[key]), 0n);
}

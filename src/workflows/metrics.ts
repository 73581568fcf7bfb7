/** Metrics of a run's workflow. The SDK's meter records nothing during a replay, so each event counts once. */
import { metricMeter } from '@temporalio/workflow';
import type { PublishedFigures } from '../billing/proof.js';
import type { Phase } from '../contract/billing-run.js';
import { METRICS, type Outcome } from '../contract/metrics.js';

export function countEnded(outcome: Outcome): void {
  count(METRICS.runs, 1, { outcome });
}

export function countProofFailure(): void {
  count(METRICS.proofFailures, 1);
}

export function countPublished({ calls, cycles, amount }: PublishedFigures, currency: string): void {
  count(METRICS.callsBilled, Number(calls));
  count(METRICS.cyclesClosed, Number(cycles));
  // A histogram, because counters of the SDK hold whole numbers only. Its sum is the total amount.
  record(METRICS.runAmount, Number(amount), { currency });
}

export function recordPhase(phase: Phase, seconds: number): void {
  record(METRICS.phaseSeconds, seconds, { phase });
}

type Tags = Record<string, string>;
type Named = { name: string; help: string };

function count({ name, help }: Named, by: number, tags?: Tags): void {
  metricMeter.createCounter(name, undefined, help).add(by, tags);
}

function record({ name, help }: Named, value: number, tags: Tags): void {
  metricMeter.createHistogram(name, 'float', undefined, help).record(value, tags);
}

/**
 * What goes into a billing run, what it answers while it runs, and what comes out. Everything is plain JSON:
 * bigints and decimals travel as strings.
 */
import { defineQuery } from '@temporalio/workflow';
import type { PublishedFigures } from '../domain/proof.js';
import type { BadCalls, BillingTerms } from '../domain/terms.js';
import type { Writer } from '../domain/writers.js';

/** Input of workflow type `billingRun`; `{}` bills by the workers' settings. */
export interface BillingRunInput extends Partial<BillingTerms> {
  /** Map activities to cut the log into, instead of a number chosen from the calls. */
  partitions?: number;
  /** Reduce activities, likewise. */
  shards?: number;
  /** Instead of the workers' BAD_CALLS. */
  badCalls?: BadCalls;
  /** Instead of the workers' BACKUP_ATTEMPTS. */
  backups?: boolean;
  /** How long a run that has failed is held for `retry` or `cancel`, before it is discarded. Absent: not at all. */
  holdFailedSeconds?: number;
}

export type Phase = 'planning' | 'mapping' | 'reducing' | 'publishing' | 'published' | 'skipped' | 'discarding';

/** Answer of query `progress`. */
export interface BillingRunProgress {
  phase: Phase;
  runId?: string;
  partitions: { done: number; total: number };
  shards: { done: number; total: number };
  /** Upper bound of the calls in the sealed range, before map has counted them. */
  callsExpected: number;
  callsMapped: string;
  callsReduced: string;
  cyclesClosed: string;
}

export const progressQuery = defineQuery<BillingRunProgress>('progress');

/** Activities and calls of one worker process in one run. */
export interface WorkerShare {
  worker: string;
  activities: number;
  calls: string;
}

export interface PublishedResult extends PublishedFigures {
  status: 'published';
  runId: string;
  /** Log positions: calls after `after` up to and including `to`. */
  range: { after: string; to: string };
  currency: string;
  pricePerUnit: string;
  activities: { scheduled: number; completed: number; retried: number };
  workers: WorkerShare[];
  /** Writers that kept the run from billing further, if any. */
  heldUpBy: Writer[];
}

export interface SkippedResult {
  status: 'skipped';
  /** "skipped: run 7 in progress" */
  message: string;
  activeRunId: string;
}

/** Result of workflow type `billingRun`. */
export type BillingRunResult = PublishedResult | SkippedResult;

/**
 * What goes into a billing run, what it answers while it runs, and what comes out. Everything is plain JSON:
 * bigints and decimals travel as strings.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { PublishedFigures } from '../billing/proof.js';
import type { BadCalls, BillingTerms } from '../billing/terms.js';
import { RETRY_SIGNAL, type Retry } from './retries.js';
import type { Writer } from './writer.js';

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

export type Phase =
  | 'planning'
  | 'mapping'
  | 'reducing'
  | 'publishing'
  | 'published'
  | 'skipped'
  | 'failed'
  | 'discarding'
  | 'cancelled';

/** Answer of query `progress`. */
export interface BillingRunProgress {
  phase: Phase;
  /** No new activity is begun; those under way end. */
  paused: boolean;
  /** Why the run has failed, while it is held for `retry`. */
  failure?: string;
  runId?: string;
  partitions: { done: number; total: number };
  shards: { done: number; total: number };
  /** Upper bound of the calls in the sealed range, before map has counted them. */
  callsExpected: number;
  callsMapped: string;
  /** How often map has begun anew, if it has: PostgreSQL had lost what was mapped, in a crash. */
  mapRestarts?: number;
  callsReduced: string;
  cyclesClosed: string;
  /** Activities that are being retried, each as of the last attempt that was reported: later ones may have failed since. Absent if there are none. */
  retrying?: Retry[];
}

export const progressQuery = defineQuery<BillingRunProgress>('progress');

/** Sent by workers: an attempt has failed, and is tried again. */
export const retrySignal = defineSignal<[Retry]>(RETRY_SIGNAL);

/** Begins no new activity until resumed. */
export const pauseUpdate = defineUpdate<BillingRunProgress>('pause');
export const resumeUpdate = defineUpdate<BillingRunProgress>('resume');
/** Gives the run up: nothing of it remains. Answers when that is done. */
export const cancelUpdate = defineUpdate<BillingRunProgress>('cancel');
/** Goes on with a run that has failed and is held; what was done before is not done again. */
export const retryUpdate = defineUpdate<BillingRunProgress>('retry');

/** Activities and calls of one worker process in one run. */
export interface WorkerShare {
  worker: string;
  activities: number;
  calls: string;
}

/** Activities of a run up to its publication, as Temporal counts them; backups are among them. */
export interface Activities {
  scheduled: number;
  completed: number;
  retried: number;
  backups: number;
}

export interface PublishedResult extends PublishedFigures {
  status: 'published';
  runId: string;
  /** Log positions: calls after `after` up to and including `to`. */
  range: { after: string; to: string };
  currency: string;
  pricePerUnit: string;
  activities: Activities;
  workers: WorkerShare[];
  /** Writers that kept the run from billing further, if any. */
  blockedBy: Writer[];
}

export interface SkippedResult {
  status: 'skipped';
  /** "skipped: run 7 in progress" */
  message: string;
  activeRunId: string;
}

/** A run that was given up by the Update `cancel`. */
export interface CancelledResult {
  status: 'cancelled';
  /** "run 7 was cancelled by an operator: nothing of it remains" */
  message: string;
}

/** Result of workflow type `billingRun`. */
export type BillingRunResult = PublishedResult | SkippedResult | CancelledResult;

/** The type of the workflow, as Temporal calls it and as clients call it. */
export const WORKFLOW_TYPE = 'billingRun';
export type BillingRunWorkflow = (input?: BillingRunInput) => Promise<BillingRunResult>;

/**
 * The interface of workflow type `billingRun`: its input, its Query and Updates, and its result. All values are plain
 * JSON; bigints and decimals are strings.
 */

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { PriceTerms } from '../billing/price.js';
import type { PublishedFigures } from '../billing/proof.js';
import type { BadCalls, BillingTerms } from '../billing/terms.js';
import { RETRY_SIGNAL, type Retry } from './retries.js';
import type { Writer } from './writer.js';

/** The input. Settings of the workers complete it, so that `{}` is enough. */
export interface BillingRunInput extends Partial<BillingTerms> {
  /** How many map tasks the range is cut into. By default the plan chooses by the number of calls. */
  partitions?: number;
  /** How many reduce tasks there are. By default the plan chooses by the number of calls. */
  shards?: number;
  /** Overrides the workers' BAD_CALLS. */
  badCalls?: BadCalls;
  /** Overrides the workers' BACKUP_ATTEMPTS. */
  backups?: boolean;
  /**
   * How long a failed run is held for `retry` or `cancel` before it is discarded. By default it is discarded at once.
   */
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

/** The answer to Query `progress`. */
export interface BillingRunProgress {
  phase: Phase;
  /** While true, no new activity is begun; those in flight continue. */
  paused: boolean;
  /** Why the run failed, while it is held for `retry`. */
  failure?: string;
  runId?: string;
  partitions: { done: number; total: number };
  shards: { done: number; total: number };
  /** Upper bound of the calls in the sealed range; map counts them. */
  callsExpected: number;
  callsMapped: string;
  /** How often map has restarted because a crash of PostgreSQL had lost segments. Absent if never. */
  mapRestarts?: number;
  callsReduced: string;
  cyclesClosed: string;
  /**
   * Activities that are being retried, each with the last failed attempt that was reported. Not every attempt is
   * reported. Absent if none.
   */
  retrying?: Retry[];
}

export const progressQuery = defineQuery<BillingRunProgress>('progress');

/** Sent by a worker when an attempt has failed and will be retried. */
export const retrySignal = defineSignal<[Retry]>(RETRY_SIGNAL);

/** Lets the run begin no new activity until it is resumed. */
export const pauseUpdate = defineUpdate<BillingRunProgress>('pause');
export const resumeUpdate = defineUpdate<BillingRunProgress>('resume');
/** Discards the run. Returns when that is done. */
export const cancelUpdate = defineUpdate<BillingRunProgress>('cancel');
/** Continues a failed run that is held. What was completed before the failure is not done again. */
export const retryUpdate = defineUpdate<BillingRunProgress>('retry');

/** Activities and calls of one worker process in one run. */
export interface WorkerShare {
  worker: string;
  activities: number;
  calls: string;
}

/** The activities of a run up to its publication, as Temporal counts them, including backups. */
export interface Activities {
  scheduled: number;
  completed: number;
  retried: number;
  backups: number;
}

export interface PublishedResult extends PublishedFigures, PriceTerms {
  status: 'published';
  runId: string;
  /** The run billed calls at log positions after `after`, up to and including `to`. */
  range: { after: string; to: string };
  activities: Activities;
  workers: WorkerShare[];
  /** Transactions that kept the run from sealing a later end. */
  blockedBy: Writer[];
}

export interface SkippedResult {
  status: 'skipped';
  /** "skipped: run 7 in progress" */
  message: string;
  activeRunId: string;
}

/** A run that Update `cancel` has discarded. */
export interface CancelledResult {
  status: 'cancelled';
  /** "run 7 was cancelled by an operator: nothing of it remains" */
  message: string;
}

export type BillingRunResult = PublishedResult | SkippedResult | CancelledResult;

/** The workflow's type in Temporal. */
export const WORKFLOW_TYPE = 'billingRun';
/** The workflow's signature, for clients. */
export type BillingRunWorkflow = (input?: BillingRunInput) => Promise<BillingRunResult>;

/**
 * The activities of a billing run: their inputs and results, as Temporal stores them. All values are plain JSON;
 * bigints are strings. Their size does not grow with the number of calls, which stay in PostgreSQL.
 */
import type { MapOutcome, PublishedFigures, RecountOutcome, ReduceOutcome } from '../billing/proof.js';
import type { BillingTerms } from '../billing/terms.js';
import type { BillingRunInput } from './billing-run.js';
import type { Writer } from './writer.js';

/** The activities by their types in Temporal. */
export interface BillingActivities {
  /** Opens the run, seals its end and cuts the work. Bills a small run completely. */
  planRun(input: PlanInput): Promise<PlannedRun | SkippedRun>;
  mapPartition(input: TaskInput): Promise<DoneTask<MapOutcome>>;
  reduceShard(input: TaskInput): Promise<DoneTask<ReduceOutcome> | SegmentsLost>;
  recount(input: RecountInput): Promise<DoneTask<RecountOutcome>>;
  publishRun(input: PublishInput): Promise<PublishedRun>;
  discardRun(input: DiscardInput): Promise<DiscardAnswer>;
}

/**
 * The database that a run bills (`meterfold.installation`). An activity of another installation's worker refuses the
 * run.
 */
export interface ForInstallation {
  /** Absent if a person started the run without it and the run has no plan yet. */
  installation?: string;
}

/** Which worker process finished an activity, and in which attempt. */
export interface DoneBy {
  /** "<host>:<pid>"; on Kubernetes the host is the pod. */
  worker: string;
  /** Counted from 1. */
  attempt: number;
}

export interface PlanInput extends ForInstallation {
  billing: BillingRunInput;
  /** Unlike the run id, it stays the same when the workflow is reset. */
  firstExecutionRunId: string;
}

export interface PlannedRun extends DoneBy {
  status: 'planned';
  installation: string;
  runId: string;
  /** The run bills the calls at log positions after `after`, up to and including `to`. */
  after: string;
  to: string;
  terms: BillingTerms;
  partitions: { first: string; last: string }[];
  shards: { first: number; end: number }[];
  /** Upper bound of the calls in the range: the number of log positions in the partitions. */
  callsExpected: number;
  /** Transactions that kept the run from sealing a later end. */
  blockedBy: Writer[];
  /** True if slow tasks get a backup attempt. */
  backups: boolean;
  /** Present if the run is already published: it was small, or the workflow was reset after publishing. */
  published?: PublishedFigures;
  /** True if the plan activity billed and published the run itself. */
  small?: true;
}

/** Another run is active, and its owner is alive. */
export interface SkippedRun extends DoneBy {
  status: 'skipped';
  activeRunId: string;
  message: string;
}

export interface TaskInput extends ForInstallation {
  runId: string;
  /** The number of the task among those of its kind, counted from 0. */
  number: number;
  /** True for a second attempt that runs beside a slow first one. */
  backup?: boolean;
}

export interface RecountInput extends TaskInput {
  /** True if the recount also digests the calls. */
  digest?: true;
}

export interface DoneTask<Outcome> extends DoneBy {
  outcome: Outcome;
  /** How long this attempt worked. Absent if an earlier attempt had already stored the outcome. */
  ms?: number;
  /**
   * Tasks of the same kind that began before this one and were still running when it ended. Absent if there are none.
   */
  overtaken?: Overtaken[];
}

/** A task that is still running. */
export interface Overtaken {
  number: number;
  /** How long it has been running. */
  ms: number;
}

/**
 * The result of a reduce that found no segments, because a crash of PostgreSQL has emptied the unlogged tables. Map
 * must store them again.
 */
export interface SegmentsLost extends DoneBy {
  /** One sentence: which segments, and why. */
  segmentsLost: string;
  ms?: never;
}

export interface PublishInput extends ForInstallation {
  runId: string;
  maps: MapOutcome[];
  reduces: ReduceOutcome[];
  /** Undefined if the run covers no log positions. */
  recount: RecountOutcome | undefined;
}

export interface PublishedRun extends DoneBy {
  figures: PublishedFigures;
}

export interface DiscardInput extends ForInstallation {
  /** Identifies the owner, together with the activity's workflow id. */
  firstExecutionRunId: string;
  reason: string;
}

export type DiscardAnswer =
  | { status: 'discarded' | 'nothing to discard' }
  | { status: 'already published'; runId: string; figures: PublishedFigures };

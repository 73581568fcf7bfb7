/**
 * Why an operation is refused. Each message says what is wrong and how to fix it, and is shown to a person unchanged.
 */

/** The database has no run of this number. */
export class RunNotFoundError extends Error {
  override name = 'RunNotFoundError';

  constructor(runId: string) {
    super(`There is no run ${runId}: \`meterfold runs\` lists them.`);
  }
}

/** The state of the run does not allow the operation. */
export class RunStateError extends Error {
  override name = 'RunStateError';
}

/** The workflow of the run failed, and the run was discarded. */
export class RunFailedError extends Error {
  override name = 'RunFailedError';
}

/** The workflow of the run is in another Temporal than the one in the settings. */
export class RunOwnerError extends Error {
  override name = 'RunOwnerError';

  constructor(runId: string, { address, namespace }: { address: string; namespace: string }) {
    super(
      `Run ${runId} belongs to Temporal at ${address}, namespace ${namespace}: set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE to that.`,
    );
  }
}

/** No worker answers for the run. */
export class NoWorkerError extends Error {
  override name = 'NoWorkerError';
}

/** There is no schedule for this task queue. */
export class ScheduleNotFoundError extends Error {
  override name = 'ScheduleNotFoundError';
}

/** The schedule bills another database. */
export class ScheduleOwnerError extends Error {
  override name = 'ScheduleOwnerError';
}

/** Temporal does not accept the interval, the cron expression or the time zone. */
export class ScheduleSpecError extends Error {
  override name = 'ScheduleSpecError';
}

/** Temporal accepted a trigger, and has not started a workflow yet. */
export class TriggerPendingError extends Error {
  override name = 'TriggerPendingError';
}

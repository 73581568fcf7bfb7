/**
 * Keeps installations apart that share a Temporal namespace. A run's workflow carries the installation that it bills, from its memo or from
 * its plan; each activity of another installation's worker refuses it before it connects to the database.
 *
 * A discard is refused as well, and not tried again: a task queue that only the other installation polls would keep the run for ever. What is
 * left of the run is discarded by the next run's plan, as after a workflow that was terminated.
 */
import { ApplicationFailure } from '@temporalio/activity';

/** `asked`: the task's; undefined if a person or an earlier version has started the run, and it has no plan yet. */
export function checkInstallation(own: string, asked: string | undefined): void {
  if (asked === undefined || asked === own) return;
  throw ApplicationFailure.nonRetryable(
    `the run bills the database of installation ${asked}, and this worker's DATABASE_URL is that of installation ${own}: ` +
      'give the workers, schedule and commands of each installation a TEMPORAL_TASK_QUEUE of its own',
    'OtherInstallationError',
  );
}

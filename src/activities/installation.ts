/**
 * Keeps installations apart that share a Temporal namespace. Each activity's input names the installation that the run
 * bills, from the workflow's memo or from the plan. A worker of another installation refuses the activity before it
 * connects to the database.
 *
 * A discard is refused too, and not retried: if only the other installation polls the task queue, it would be retried
 * forever. The next run's plan discards the run, as after a workflow that was terminated.
 */
import { ApplicationFailure } from '@temporalio/activity';

/**
 * `asked` is the installation in the activity's input; undefined if a person started the run by hand and it has no plan
 * yet.
 */
export function checkInstallation(own: string, asked: string | undefined): void {
  if (asked === undefined || asked === own) return;
  throw ApplicationFailure.nonRetryable(
    `the run bills the database of installation ${asked}, and this worker's DATABASE_URL is that of installation ${own}: ` +
      'give the workers, schedule and commands of each installation a TEMPORAL_TASK_QUEUE of its own',
    'OtherInstallationError',
  );
}

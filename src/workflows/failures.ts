/** What the failure of an activity means to its run. */
import { ActivityFailure, ApplicationFailure, isCancellation } from '@temporalio/workflow';
import { failureNamed } from '../contract/failures.js';

/** True if an operator can fix the cause, so that the run may be held for `retry`. */
export function mayBeHeld(error: unknown): boolean {
  return !isCancellation(error) && (failureNamed(typeOf(error))?.mayBeHeld ?? true);
}

/** The message of the activity's own failure: Temporal's wrapper only says that an activity failed. */
export function reasonOf(error: unknown): string {
  if (isCancellation(error)) return 'cancelled';
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

/** The type of the failure, which is its name in the table of failures; empty if it has none. */
export function typeOf(error: unknown): string {
  const failure = error instanceof ActivityFailure ? error.cause : error;
  return failure instanceof ApplicationFailure ? (failure.type ?? '') : '';
}

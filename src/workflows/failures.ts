/** What a failure of an activity means to its run. */
import { ActivityFailure, ApplicationFailure, isCancellation } from '@temporalio/workflow';

/** Those that no operator can mend for this run: its input is wrong, or it is gone. */
export const HOPELESS: readonly string[] = ['BadInput', 'FrozenTermError', 'RunGoneError'];

export function reasonOf(error: unknown): string {
  if (isCancellation(error)) return 'cancelled';
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

export function typeOf(error: unknown): string {
  const failure = error instanceof ActivityFailure ? error.cause : error;
  return failure instanceof ApplicationFailure ? (failure.type ?? '') : '';
}

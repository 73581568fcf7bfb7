/**
 *  A workflow interceptor for replays: passes on every command of the workflow with all its fields. The SDK's replayer compares only their
 * kinds, names and order.
 */
import { proxySinks, type Sinks, type WorkflowInterceptors } from '@temporalio/workflow';
import type { Command } from './steps.js';

export interface CaptureSinks extends Sinks {
  capture: { commands(commands: Command[]): void };
}

const { capture } = proxySinks<CaptureSinks>();

export function interceptors(): WorkflowInterceptors {
  return {
    internals: [
      {
        concludeActivation(input, next) {
          const output = next(input);
          if (output.commands.length > 0) capture.commands(output.commands as Command[]);
          return output;
        },
      },
    ],
  };
}

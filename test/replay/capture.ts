/**
 * Goes into the bundle beside the workflow, for replay only: hands out every command that the workflow gives, with all that is
 * in it. The SDK's replayer keeps of it no more than kinds, names and order.
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

/**
 * Replays saved histories against a bundle of the workflow. A history passes if the SDK's replayer accepts it and every
 * step of the workflow equals the recorded one in all its fields.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { WorkflowInfo } from '@temporalio/workflow';
import { repositoryDir } from '../support/repository.js';
import type { History } from './histories.js';
import {
  type Command,
  compareSteps,
  REPLAY_QUEUE,
  runContextOf,
  type Step,
  stepsOfCommands,
  stepsOfHistory,
} from './steps.js';

export interface Replay {
  /** Why the SDK's replayer refuses the history; undefined if it accepts it. */
  refusal: string | undefined;
  /** Differences between the workflow's steps and the recorded ones. */
  differences: string[];
  /** The commands that the workflow sent to Temporal in this replay. */
  commands: Command[];
  steps: Step[];
}

/** All faults of a replay; empty if the history passes. */
export function faultsOf({ refusal, differences }: Replay): string[] {
  return [...(refusal === undefined ? [] : [refusal]), ...differences];
}

const captureModule = fileURLToPath(new URL('./capture.ts', import.meta.url));
const silent = new DefaultLogger('ERROR', () => {});

/**
 * Bundles workflows from their source, with the interceptor that captures their commands, and other interceptors if
 * given.
 */
export function bundleForReplay(
  workflowsPath: string = join(repositoryDir, 'src', 'workflows', 'index.ts'),
  interceptors: readonly string[] = [],
): Promise<WorkflowBundleWithSourceMap> {
  const workflowInterceptorModules = [...interceptors, captureModule];
  return bundleWorkflowCode({ workflowsPath, workflowInterceptorModules, logger: silent });
}

let quiet = false;

/** Prevents Core from printing each history that it refuses: here a refusal is a result. */
function installQuietRuntime(): void {
  if (quiet) return;
  Runtime.install({
    logger: silent,
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  quiet = true;
}

/** Replays all histories one after the other. The name of a history is its workflow id. */
export async function replayAll(
  workflowBundle: WorkflowBundleWithSourceMap,
  histories: ReadonlyMap<string, History>,
): Promise<Map<string, Replay>> {
  installQuietRuntime();
  const captured = new Map<string, Command[]>([...histories.keys()].map((name) => [name, []]));
  const keep = ({ workflowId }: WorkflowInfo, commands: Command[]) => void captured.get(workflowId)!.push(...commands);
  const results = Worker.runReplayHistories(
    {
      workflowBundle,
      replayName: REPLAY_QUEUE,
      sinks: { capture: { commands: { callDuringReplay: true, fn: keep } } },
    },
    [...histories].map(([workflowId, history]) => ({ workflowId, history })),
  );
  const replays = new Map<string, Replay>();
  for await (const { workflowId, error } of results) {
    const history = histories.get(workflowId)!;
    const commands = captured.get(workflowId)!;
    const steps = stepsOfCommands(commands, runContextOf(history));
    const differences = compareSteps(stepsOfHistory(history), steps);
    replays.set(workflowId, { refusal: error?.message, differences, commands, steps });
  }
  return replays;
}

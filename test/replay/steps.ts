/**
 * Steps: the commands of a workflow and the answers to its Updates, in order, with all fields. A saved history and the
 * commands of a replay are converted to the same form, so that they can be compared field by field.
 *
 * An Update that its validator refuses is not in the history; the recorder checks the refusal. A history contains
 * neither the cancellation type of an activity nor whether it may be dispatched eagerly, so steps contain neither. The
 * cancellation type shows in what a cancelled workflow does next.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ConcludeActivationInput } from '@temporalio/workflow';
import type { History, HistoryEvent, JsonPayload } from './histories.js';

export type Command = ConcludeActivationInput['commands'][number];

export interface Step {
  /** The name of the step: "activity 2 mapPartition", "memo", "end: completed", … */
  what: string;
  /** The fields of the step; plain data, times in milliseconds. */
  fields: Record<string, unknown>;
}

/** Differences between recorded and replayed steps, one sentence each; none if they are equal. */
export function compareSteps(recorded: readonly Step[], replayed: readonly Step[]): string[] {
  const faults: string[] = [];
  for (let at = 0; at < Math.max(recorded.length, replayed.length); at++) {
    const [before, now] = [recorded[at], replayed[at]];
    if (before?.what !== now?.what) {
      faults.push(`step ${at + 1} was ${before?.what ?? 'not there'}, and is ${now?.what ?? 'not there'}`);
      break; // All later steps have moved.
    }
    for (const name of new Set([...Object.keys(before!.fields), ...Object.keys(now!.fields)])) {
      const [was, is] = [before!.fields[name], now!.fields[name]];
      if (isDeepStrictEqual(was, is)) continue;
      faults.push(`${now!.what}: ${name} was ${JSON.stringify(was)}, and is ${JSON.stringify(is)}`);
    }
  }
  return faults;
}

/** Events that no command of the workflow causes. */
const NOT_COMMANDED = new Set(
  [
    'WORKFLOW_EXECUTION_STARTED',
    'WORKFLOW_EXECUTION_CANCEL_REQUESTED',
    'WORKFLOW_EXECUTION_SIGNALED',
    'WORKFLOW_TASK_SCHEDULED',
    'WORKFLOW_TASK_STARTED',
    'WORKFLOW_TASK_COMPLETED',
    'WORKFLOW_TASK_FAILED',
    'WORKFLOW_TASK_TIMED_OUT',
    'ACTIVITY_TASK_STARTED',
    'ACTIVITY_TASK_COMPLETED',
    'ACTIVITY_TASK_FAILED',
    'ACTIVITY_TASK_TIMED_OUT',
    'ACTIVITY_TASK_CANCELED',
    'TIMER_FIRED',
    // The SDK writes it beside a marker of `patched`.
    'UPSERT_WORKFLOW_SEARCH_ATTRIBUTES',
  ].map((type) => `EVENT_TYPE_${type}`),
);

export function stepsOfHistory(history: History): Step[] {
  const activities = new Map<string, string>();
  const updates = updatesOf(history);
  return history.events.flatMap((event) => {
    if (NOT_COMMANDED.has(event.eventType)) return [];
    const step = stepOfEvent(event, activities, updates);
    if (event.eventType === 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED') activities.set(event.eventId, step.what);
    return [step];
  });
}

/** A saved history omits fields that are not set. */
function priority(given: object | null | undefined): object {
  return { priorityKey: 0, fairnessKey: '', fairnessWeight: 0, ...given };
}

/**
 * The names of accepted Updates, such as "update 1 pause", by protocol instance id and by the id of the acceptance
 * event.
 */
function updatesOf({ events }: History): Map<string, string> {
  const accepted = events.filter(({ eventType }) => eventType === 'EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED');
  return new Map(
    accepted.flatMap((event, at) => {
      const { protocolInstanceId, acceptedRequest } = event.workflowExecutionUpdateAcceptedEventAttributes;
      const name = `update ${at + 1} ${acceptedRequest.input.name}`;
      return [
        [protocolInstanceId, name],
        [event.eventId, name],
      ];
    }),
  );
}

function stepOfEvent(
  event: HistoryEvent,
  activities: ReadonlyMap<string, string>,
  updates: ReadonlyMap<string, string>,
): Step {
  const type = event.eventType.replace('EVENT_TYPE_', '');
  const all = Object.entries(event).find(([key]) => key.endsWith('EventAttributes'))?.[1];
  switch (type) {
    case 'ACTIVITY_TASK_SCHEDULED':
      return {
        what: `activity ${all.activityId} ${all.activityType.name}`,
        fields: {
          taskQueue: all.taskQueue.name,
          arguments: values(all.input?.payloads),
          header: fields(all.header?.fields),
          scheduleToCloseMs: jsonMs(all.scheduleToCloseTimeout),
          scheduleToStartMs: jsonMs(all.scheduleToStartTimeout),
          startToCloseMs: jsonMs(all.startToCloseTimeout),
          heartbeatMs: jsonMs(all.heartbeatTimeout),
          retryInitialMs: jsonMs(all.retryPolicy.initialInterval),
          retryMaximumMs: jsonMs(all.retryPolicy.maximumInterval),
          ...retryCounts(all.retryPolicy),
          priority: priority(all.priority),
          summary: value(event.userMetadata?.summary),
        },
      };
    case 'ACTIVITY_TASK_CANCEL_REQUESTED':
      return { what: `cancel ${activities.get(all.scheduledEventId)}`, fields: {} };
    case 'TIMER_STARTED':
      return {
        what: `timer ${all.timerId}`,
        fields: { ms: jsonMs(all.startToFireTimeout), summary: value(event.userMetadata?.summary) },
      };
    case 'TIMER_CANCELED':
      return { what: `cancel timer ${all.timerId}`, fields: {} };
    case 'WORKFLOW_EXECUTION_UPDATE_ACCEPTED':
      return { what: `${updates.get(event.eventId)}: accepted`, fields: {} };
    case 'WORKFLOW_EXECUTION_UPDATE_COMPLETED':
      return stepOfOutcome(updates.get(all.acceptedEventId), all.outcome.failure, all.outcome.success?.payloads[0]);
    case 'WORKFLOW_PROPERTIES_MODIFIED':
      return { what: 'memo', fields: fields(all.upsertedMemo?.fields) };
    case 'MARKER_RECORDED':
      return { what: `marker ${all.markerName}`, fields: fieldsOfMany(all.details) };
    case 'WORKFLOW_EXECUTION_COMPLETED':
      return { what: 'end: completed', fields: { result: values(all.result?.payloads)[0] } };
    case 'WORKFLOW_EXECUTION_FAILED':
      return { what: 'end: failed', fields: failure(all.failure) };
    case 'WORKFLOW_EXECUTION_CANCELED':
      return { what: 'end: canceled', fields: {} };
    default:
      throw new Error(`an event of type ${type} is compared with nothing yet: test/replay/steps.ts has to learn it`);
  }
}

/**
 * What the steps of a replay need from the history: the values at the start that commands omit, and the names of
 * Updates.
 */
export interface RunContext {
  taskQueue: string;
  timeoutMs: number;
  updates: ReadonlyMap<string, string>;
}

export function runContextOf(history: History): RunContext {
  const started = history.events[0]!.workflowExecutionStartedEventAttributes;
  return {
    taskQueue: started.taskQueue.name,
    timeoutMs: jsonMs(started.workflowRunTimeout),
    updates: updatesOf(history),
  };
}

/** The prefix of a replay's task queue, which its workflows take for their own. */
export const REPLAY_QUEUE = 'replay';

export function stepsOfCommands(commands: readonly Command[], run: RunContext): Step[] {
  const activities = new Map<number, string>();
  return commands.map((command) => {
    const step = stepOfCommand(command, activities, run);
    const { seq } = command.scheduleActivity ?? {};
    if (seq != null) activities.set(seq, step.what);
    return step;
  });
}

function stepOfCommand(command: Command, activities: ReadonlyMap<number, string>, run: RunContext): Step {
  if (command.scheduleActivity) {
    const all = command.scheduleActivity;
    const scheduleToCloseMs = protoMs(all.scheduleToCloseTimeout) ?? run.timeoutMs;
    const retryInitialMs = protoMs(all.retryPolicy?.initialInterval) ?? 1000;
    return {
      what: `activity ${all.activityId} ${all.activityType}`,
      fields: {
        taskQueue: all.taskQueue?.startsWith(`${REPLAY_QUEUE}-`) ? run.taskQueue : all.taskQueue,
        arguments: values(all.arguments),
        header: fields(all.headers),
        scheduleToCloseMs,
        scheduleToStartMs: protoMs(all.scheduleToStartTimeout) ?? scheduleToCloseMs,
        startToCloseMs: protoMs(all.startToCloseTimeout) ?? scheduleToCloseMs,
        heartbeatMs: protoMs(all.heartbeatTimeout) ?? 0,
        retryInitialMs,
        retryMaximumMs: protoMs(all.retryPolicy?.maximumInterval) ?? retryInitialMs * 100,
        ...retryCounts(all.retryPolicy),
        priority: priority(all.priority),
        summary: value(command.userMetadata?.summary),
      },
    };
  }
  if (command.requestCancelActivity) {
    return { what: `cancel ${activities.get(command.requestCancelActivity.seq!)}`, fields: {} };
  }
  if (command.startTimer) {
    const { seq, startToFireTimeout } = command.startTimer;
    return {
      what: `timer ${seq}`,
      fields: { ms: protoMs(startToFireTimeout), summary: value(command.userMetadata?.summary) },
    };
  }
  if (command.cancelTimer) return { what: `cancel timer ${command.cancelTimer.seq}`, fields: {} };
  if (command.updateResponse) {
    const { protocolInstanceId, accepted, rejected, completed } = command.updateResponse;
    const update = run.updates.get(protocolInstanceId!);
    if (accepted) return { what: `${update}: accepted`, fields: {} };
    return stepOfOutcome(update, rejected, completed);
  }
  if (command.modifyWorkflowProperties) {
    return { what: 'memo', fields: fields(command.modifyWorkflowProperties.upsertedMemo?.fields) };
  }
  if (command.setPatchMarker) {
    const { patchId: id, deprecated } = command.setPatchMarker;
    return { what: 'marker core_patch', fields: { 'patch-data': [{ id, deprecated }] } };
  }
  if (command.completeWorkflowExecution) {
    return { what: 'end: completed', fields: { result: value(command.completeWorkflowExecution.result) } };
  }
  if (command.failWorkflowExecution) {
    return { what: 'end: failed', fields: failure(command.failWorkflowExecution.failure) };
  }
  if (command.cancelWorkflowExecution) return { what: 'end: canceled', fields: {} };
  const kind = Object.keys(command).join(', ');
  throw new Error(`a command ${kind} is compared with nothing yet: test/replay/steps.ts has to learn it`);
}

/** The outcome of an accepted Update. */
function stepOfOutcome(
  update: string | undefined,
  failed: Failure | null | undefined,
  answer: Payload | null | undefined,
): Step {
  if (failed) return { what: `${update}: failed`, fields: failure(failed) };
  return { what: `${update}: answered`, fields: { answer: value(answer) } };
}

interface RetryPolicy {
  backoffCoefficient?: number | null;
  maximumAttempts?: number | null;
  nonRetryableErrorTypes?: string[] | null;
}

function retryCounts(policy: RetryPolicy | null | undefined): Record<string, unknown> {
  return {
    retryCoefficient: policy?.backoffCoefficient ?? 2,
    retryAttemptsMax: policy?.maximumAttempts ?? 0,
    notRetried: policy?.nonRetryableErrorTypes ?? [],
  };
}

/** The fields of a payload: base64 in JSON, bytes in a command. */
interface Payload {
  metadata?: Record<string, string | Uint8Array> | null;
  data?: string | Uint8Array | null;
}

interface Failure {
  message?: string | null;
  cause?: Failure | null;
  applicationFailureInfo?: {
    type?: string | null;
    nonRetryable?: boolean | null;
    details?: { payloads?: Payload[] | null } | null;
  } | null;
  activityFailureInfo?: { activityId?: string | null; activityType?: { name?: string | null } | null } | null;
}

/** A failure without its stack trace. */
function failure(of: Failure | null | undefined): Record<string, unknown> {
  const { message, cause, applicationFailureInfo: application, activityFailureInfo: activity } = of ?? {};
  return {
    message,
    type: application?.type ?? undefined,
    nonRetryable: application?.nonRetryable ?? false,
    details: values(application?.details?.payloads),
    activity: activity ? `activity ${activity.activityId} ${activity.activityType?.name}` : undefined,
    cause: cause ? failure(cause) : undefined,
  };
}

function values(payloads: readonly Payload[] | null | undefined): unknown[] {
  return Array.from(payloads ?? [], value);
}

function fields(payloads: Record<string, Payload> | null | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(payloads ?? {}).map(([name, payload]) => [name, value(payload)]));
}

function fieldsOfMany(payloads: Record<string, { payloads?: Payload[] }>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(payloads).map(([name, many]) => [name, values(many.payloads)]));
}

function value(payload: Payload | JsonPayload | null | undefined): unknown {
  if (payload == null) return undefined;
  const encoding = text(payload.metadata?.encoding);
  if (encoding === 'binary/null') return undefined;
  return encoding === 'json/plain' ? JSON.parse(text(payload.data)) : { encoding, data: text(payload.data) };
}

function text(bytes: string | Uint8Array | null | undefined): string {
  return (typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : Buffer.from(bytes ?? [])).toString();
}

/** A duration in JSON, such as "0.500s"; null if absent. */
function jsonMs(duration: string | undefined): number {
  return duration === undefined ? 0 : Number(duration.slice(0, -1)) * 1000;
}

/** A duration in a command. Its seconds were a Long, which has become plain fields outside the workflow. */
function protoMs(duration: { seconds?: unknown; nanos?: number | null } | null | undefined): number | undefined {
  if (duration == null) return undefined;
  const seconds = duration.seconds as { low: number; high: number } | number | null | undefined;
  const whole =
    typeof seconds === 'object' && seconds !== null ? seconds.high * 2 ** 32 + (seconds.low >>> 0) : (seconds ?? 0);
  return whole * 1000 + (duration.nanos ?? 0) / 1e6;
}

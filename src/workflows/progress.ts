import { setCurrentDetails, upsertMemo } from '@temporalio/workflow';
import type { PublishedFigures } from '../billing/proof.js';
import type { PlannedRun } from '../contract/activities.js';
import type { BillingRunProgress, Phase } from '../contract/billing-run.js';
import type { Retry } from '../contract/retries.js';
import { recordPhase } from './metrics.js';
import { Retries } from './retries.js';

/** The progress of a run: the answer to the Query, and what Temporal's UI shows as current details and memo. */
export class Progress {
  readonly now: BillingRunProgress = {
    phase: 'planning',
    paused: false,
    partitions: { done: 0, total: 0 },
    shards: { done: 0, total: 0 },
    callsExpected: 0,
    callsMapped: '0',
    callsReduced: '0',
    cyclesClosed: '0',
  };
  #phaseSince = Date.now();
  readonly #retries = new Retries();

  planned(plan: PlannedRun): void {
    this.now.runId = plan.runId;
    this.now.partitions.total = plan.partitions.length;
    this.now.shards.total = plan.shards.length;
    this.now.callsExpected = plan.callsExpected;
    if (plan.published !== undefined) this.#done(plan.published);
    upsertMemo({ meterfoldRun: plan.runId });
  }

  skipped(message: string): void {
    this.#enter('skipped');
    upsertMemo({ meterfoldRun: message });
    setCurrentDetails(message);
  }

  published({ calls, cycles, amount }: PublishedFigures, currency: string): void {
    this.#enter('published');
    this.#show(`- published: ${calls} calls closed ${cycles} cycles, ${amount} ${currency}\n`);
  }

  phase(phase: Phase): void {
    this.#enter(phase);
    delete this.now.failure;
    this.#show();
  }

  paused(paused: boolean): void {
    this.now.paused = paused;
    this.#show();
  }

  failed(reason: string): void {
    this.#enter('failed');
    this.now.failure = reason;
    this.#show(`- ${reason}\n- Update \`retry\` continues the run where it stopped, \`cancel\` discards it\n`);
  }

  begun(activity: string): void {
    this.#retries.begun(activity);
  }

  ended(activity: string): void {
    this.#retries.ended(activity);
    if (this.now.retrying !== undefined) this.#showRetries();
  }

  retrying(retry: Retry): void {
    this.#retries.report(retry);
    this.#showRetries();
  }

  #showRetries(): void {
    const { list } = this.#retries;
    if (list.length > 0) this.now.retrying = list;
    else delete this.now.retrying;
    this.#show();
  }

  restartMap(): void {
    this.now.partitions.done = 0;
    this.now.callsMapped = '0';
    this.now.mapRestarts = (this.now.mapRestarts ?? 0) + 1;
  }

  mapped(calls: string): void {
    this.now.partitions.done++;
    this.now.callsMapped = plus(this.now.callsMapped, calls);
    this.#show();
  }

  reduced({ calls, cycles }: { calls: string; cycles: string }): void {
    this.now.shards.done++;
    this.now.callsReduced = plus(this.now.callsReduced, calls);
    this.now.cyclesClosed = plus(this.now.cyclesClosed, cycles);
    this.#show();
  }

  /** Sets the progress of a run that plan has published: no map or reduce reports it. */
  #done({ calls, cycles }: PublishedFigures): void {
    const { partitions, shards } = this.now;
    partitions.done = partitions.total;
    shards.done = shards.total;
    this.now.callsMapped = calls;
    this.now.callsReduced = calls;
    this.now.cyclesClosed = cycles;
  }

  #enter(phase: Phase): void {
    if (phase === this.now.phase) return;
    recordPhase(this.now.phase, (Date.now() - this.#phaseSince) / 1000);
    this.now.phase = phase;
    this.#phaseSince = Date.now();
  }

  #show(outcome = ''): void {
    const { runId, phase, paused, partitions, shards, callsMapped, mapRestarts, callsReduced, cyclesClosed } = this.now;
    const restarts = mapRestarts === undefined ? '' : `; map restarted ${mapRestarts} × after a crash of PostgreSQL`;
    const retries = this.#retries.list
      .map(
        ({ activity, attempt, message }) => `- ${activity} is being retried, attempt ${attempt} failed: ${message}\n`,
      )
      .join('');
    setCurrentDetails(
      `**Run ${runId ?? '(not opened yet)'}: ${phase}${paused ? ', paused' : ''}**\n\n` +
        `- partitions mapped: ${partitions.done} of ${partitions.total} (${callsMapped} calls${restarts})\n` +
        `- shards reduced: ${shards.done} of ${shards.total} (${callsReduced} calls, ${cyclesClosed} cycles closed)\n${retries}${outcome}`,
    );
  }
}

function plus(a: string, b: string): string {
  return String(BigInt(a) + BigInt(b));
}

/** The result of a run in words. */
import type { BillingRunResult } from '../../contract/billing-run.js';
import { counted, grouped, sentence } from '../../text.js';
import { callsText, rangeText } from './figures.js';
import { facts } from './output.js';
import { billedText } from './price.js';
import { writerText } from './writer.js';

type Fact = [name: string, value: string];

export function resultText(result: BillingRunResult, seconds: number): string {
  if (result.status === 'skipped')
    return `${result.message}; nothing was billed. See \`meterfold status ${result.activeRunId}\`.`;
  if (result.status === 'cancelled') return sentence(result.message);
  const { activities, range } = result;
  const calls =
    range.after === range.to
      ? `none after log position ${grouped(range.after)}`
      : `${counted(result.calls, 'call')} of ${counted(result.users, 'user')}, ${rangeText(range)}`;
  return facts([
    ['run', `${result.runId}, published`],
    ['billed', calls],
    ['cycles closed', grouped(result.cycles)],
    ['amount', billedText(result)],
    ['carried in', callsText(result.carriedIn)],
    ['carried out', callsText(result.carriedOut)],
    ...(result.quarantined.calls === '0'
      ? []
      : [
          [
            'quarantined',
            `${counted(result.quarantined.calls, 'call')}: see \`meterfold status ${result.runId}\``,
          ] as Fact,
        ]),
    [
      'activities',
      `${activities.completed} of ${activities.scheduled} completed, ${activities.retried} retried` +
        (activities.backups === 0 ? '' : `, ${activities.backups} backups`),
    ],
    ['took', `${seconds.toFixed(2)} s by Temporal's clock`],
    ...result.blockedBy.map((writer): Fact => ['blocked by', writerText(writer)]),
    ...(result.blockedBy.length === 0 ? [] : [['', 'later calls are billed by the next run'] as Fact]),
  ]);
}

/** What a run would bill now, in words. */
import type { DryRunReport } from '../../operations/dry-run.js';
import { counted, grouped } from '../../text.js';
import { callsText, rangeText } from './figures.js';
import { facts } from './output.js';
import { billedText } from './price.js';

export function dryRunText(report: DryRunReport): string {
  const { range, quarantined, stopsAt } = report;
  const lines = [
    facts([
      ['calls', `${counted(report.calls, 'call')} of ${counted(report.users, 'user')}, ${rangeText(range)}`],
      ['cycles to close', grouped(report.cycles)],
      ['amount', billedText(report)],
      ['carried in', callsText(report.carriedIn)],
      ['carried out', callsText(report.carriedOut)],
      ...(quarantined.calls === '0' ? [] : [['quarantined', quarantineText(quarantined)] as [string, string]]),
    ]),
  ];
  if (stopsAt !== null) {
    lines.push(
      `\nThe run would stop at call ${stopsAt.id} in public.api_logs: ${stopsAt.reason}. The figures are those without such calls: ` +
        'correct them, or set BAD_CALLS=quarantine.',
    );
  }
  lines.push(`\nNothing was written.${nextStep(report)}`);
  return lines.join('\n');
}

function nextStep({ activeRunId, stopsAt }: DryRunReport): string {
  if (activeRunId !== null) return ` Run ${activeRunId} is in progress and bills these calls or some of them.`;
  return stopsAt === null ? ' Bill them with `meterfold run`.' : '';
}

function quarantineText(quarantined: DryRunReport['quarantined']): string {
  return `${callsText(quarantined)}: cannot be billed, and would be quarantined`;
}

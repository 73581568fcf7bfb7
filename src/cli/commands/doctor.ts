/** `meterfold doctor`: one line for each check, with the fix if something is wrong. */
import type { Command } from 'commander';
import type { Check } from '../../operations/doctor/check.js';
import { counted } from '../../text.js';
import { withContext } from '../context.js';
import { writeJson, writeLine } from '../text/output.js';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check the database, Temporal and the workers, and show the fix for each fault')
    .option('--trust <roles...>', 'roles whose privileges are intended: no warning about them')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
The exit code is 1 if there is a fault. Warnings are not faults. Nothing is changed.

Examples:
  $ meterfold doctor
  $ meterfold doctor --trust web_app reporting
  $ meterfold doctor --json | jq '.checks[] | select(.ok == false)'`,
    )
    .action(examine);
}

async function examine(flags: { json?: boolean; trust?: string[] }) {
  await withContext(async (context) => {
    const { diagnose } = await import('../../operations/doctor/diagnose.js');
    const checks = await diagnose(context, flags.trust);
    const faults = checks.filter((check) => check.ok === false).length;
    if (faults > 0) process.exitCode = 1;
    if (flags.json) return writeJson({ ok: faults === 0, checks });
    await writeLine(checksText(checks, faults));
  });
}

function checksText(checks: readonly Check[], faults: number): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.map(({ name, ok, warning, found, fix }) => {
    const mark = ok === null ? '–' : warning ? '!' : ok ? '✓' : '✗';
    return `${mark} ${name.padEnd(width)}  ${found}${fix === undefined ? '' : `. Fix: ${fix}`}`;
  });
  const warnings = checks.filter((check) => check.warning).length;
  const warned = warnings === 0 ? '' : `, ${counted(warnings, 'warning')}`;
  return [...lines, '', faults > 0 ? `${counted(faults, 'fault')}${warned}.` : `All is well${warned}.`].join('\n');
}

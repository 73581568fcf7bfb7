/** Prints "N passed, N failed" from Vitest's summary line. Fails if there is no such line, or no test passed. */
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const log = stripVTControlCharacters(readFileSync(process.argv[2], 'utf8'));
const summary = log.match(/^\s*Tests\s+.*$/m)?.[0] ?? '';
const count = (what) => Number(summary.match(new RegExp(`(\\d+) ${what}`))?.[1] ?? 0);
const passed = count('passed');
const failed = count('failed');
const skipped = count('skipped') + count('todo');
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;

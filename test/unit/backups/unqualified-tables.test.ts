/**
 * SQL names the schema of each table, except where a task's attempt decides which table is written
 * (src/backups/attempt.ts).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BILLING_TABLES } from '../../../src/schema/tables.js';

/** The folders with SQL. Texts for people, elsewhere, use some of these words too. */
const FOLDERS = ['audit', 'backups', 'ledger', 'log', 'postgres', 'runs', 'schema'];
const SRC = fileURLToPath(new URL('../../../src/', import.meta.url));
const tables = BILLING_TABLES.map((table) => table.slice(table.indexOf('.') + 1)).join('|');
/** A statement's keyword and a table without a schema. */
const UNQUALIFIED = new RegExp(`\\b(from|join|into|update|copy|table)\\s+(?:only\\s+)?(${tables})\\b(?!\\s*\\.)`, 'g');

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$|^\s*--.*$/gm, '');
}

function unqualifiedIn(text: string): string[] {
  return [...withoutComments(text).matchAll(UNQUALIFIED)].map(([statement]) => statement.replaceAll(/\s+/g, ' '));
}

test('only the writers of a task name a table without its schema', () => {
  const found = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => FOLDERS.includes(name.split('/')[0]!) && /\.(ts|sql)$/.test(name))
    .flatMap((name) =>
      unqualifiedIn(readFileSync(`${SRC}${name}`, 'utf8')).map((statement) => `${name}: ${statement}`),
    );
  expect(found.sort()).toEqual([
    'ledger/open-cycles.ts: copy open_cycles',
    'ledger/quarantine.ts: into quarantine',
    'ledger/records.ts: copy records',
    'runs/segments.ts: copy segments',
    'runs/segments.ts: into spills',
  ]);
});

test.each([
  'select * from runs',
  'delete from  only records',
  'join tasks task on true',
  'update leases set renewed_at = now()',
])('a statement without a schema is found: %s', (statement) => {
  expect(unqualifiedIn(`db.query('${statement}')`)).toHaveLength(1);
});

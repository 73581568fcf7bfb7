/**
 * The rooms of src/ and which may import which (docs: "Rooms"), read off the imports of every file. An import of types counts as
 * any other.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const LINES_MAX = 300;
const FILES_MAX = 15;

/** A file by its path within src, like "domain/hash.ts". */
interface SourceFile {
  path: string;
  text: string;
}

interface Rule {
  /** Rooms or files of src: "domain", or "contract/billing-run.ts". */
  imports: string[];
  /** Packages; absent: any but Temporal's. A trailing * stands for any rest. */
  packages?: string[];
  /** Node's own modules; absent: any. */
  builtins?: string[];
}

/** Everything that a workflow may import, too: no IO, clock or randomness. */
const PURE = ['invariant.ts', 'billing', 'contract', 'engine'];
/** The data of the database, each folder importing those before it. */
const DATA = [...PURE, 'postgres', 'schema', 'log', 'ledger', 'runs'];
const TOP = ['config.ts', 'environment.ts', 'logger.ts', 'text.ts'];

const rules: Record<string, Rule> = {
  'invariant.ts': { imports: [], packages: [], builtins: [] },
  'environment.ts': { imports: [], packages: [], builtins: [] },
  'logger.ts': { imports: [], packages: ['pino'] },
  'text.ts': { imports: [], packages: [], builtins: [] },
  'config.ts': {
    imports: ['billing', 'engine', 'postgres/database-url.ts', 'environment.ts'],
    packages: ['zod', '@temporalio/*'],
  },
  billing: { imports: ['invariant.ts', 'billing'], packages: ['currency-codes'], builtins: [] },
  contract: {
    imports: ['billing', 'contract'],
    packages: ['@temporalio/workflow'],
    builtins: [],
  },
  // zlib has the checksum, fs reads the WebAssembly.
  engine: { imports: ['invariant.ts', 'billing', 'engine'], packages: [], builtins: ['node:zlib', 'node:fs'] },
  postgres: { imports: ['postgres'] },
  schema: { imports: ['billing', 'postgres', 'log', 'schema'] },
  log: { imports: [...PURE, 'postgres', 'log'] },
  ledger: { imports: [...PURE, 'postgres', 'schema', 'log', 'ledger'] },
  runs: { imports: DATA },
  backups: { imports: [...DATA, 'backups'] },
  'backups/stragglers.ts': { imports: ['backups', 'contract'], packages: ['@temporalio/workflow'], builtins: [] },
  audit: { imports: [...DATA, 'audit'] },
  temporal: { imports: ['contract', 'runs', 'temporal', ...TOP], packages: ['@temporalio/client'] },
  activities: {
    imports: [...DATA, 'backups', 'temporal', 'activities', ...TOP],
    packages: ['@temporalio/activity', '@temporalio/common'],
  },
  // Whatever a workflow imports is bundled and must be deterministic.
  workflows: {
    imports: ['workflows', 'billing', 'contract', 'engine', 'backups/stragglers.ts'],
    packages: ['@temporalio/workflow', '@temporalio/common'],
    builtins: [],
  },
  workers: {
    imports: [...DATA, 'activities', 'workers', ...TOP],
    packages: ['@temporalio/worker', '@temporalio/interceptors-opentelemetry', '@opentelemetry/*'],
  },
  operations: {
    imports: [...DATA, 'temporal', 'operations', ...TOP],
    packages: ['@temporalio/client'],
  },
  embedded: { imports: ['embedded', 'postgres'], packages: ['*'] },
  cli: { imports: [...DATA, 'audit', 'temporal', 'operations', 'workers', 'embedded', 'cli', ...TOP], packages: ['*'] },
};

const files: SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') || name.endsWith('.sql'))
  .map((name) => ({ path: name.split(path.sep).join('/'), text: readFileSync(path.join(SRC, name), 'utf8') }));
const sources = files.filter(({ path }) => path.endsWith('.ts') && !path.startsWith('engine/wasm/'));

/** Comments out, and template texts with them; strings stay, for specifiers are among them. */
function withoutComments(text: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (found) => (found.startsWith('/') || found.startsWith('`') ? ' ' : found));
}

/** The specifiers as written: "../billing/money.js", "pg", "node:os". */
function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const found: string[] = [];
  // import … from 'x', import 'x', export … from 'x'
  for (const match of code.matchAll(
    /(?:^|[;\n}])\s*(?:import|export)\s+(?:type\s)?(?:[\w$\s{},*]*?\bfrom\s*)?['"]([^'"]+)['"]/g,
  )) {
    found.push(match[1]!);
  }
  // import('x') of a module, or of a type
  for (const match of code.matchAll(/\bimport\s*\(\s*['"]([^'"]+)['"]/g)) found.push(match[1]!);
  return found;
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file;
}

/** The file of src that a relative import means. */
function resolve(from: string, specifier: string): string {
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

function isListed(list: readonly string[], name: string): boolean {
  return list.some((entry) => (entry.endsWith('*') ? name.startsWith(entry.slice(0, -1)) : entry === name));
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** What is wrong with one import; undefined if it may stand. */
function wrongWith(file: string, specifier: string): string | undefined {
  const rule = rules[file] ?? rules[roomOf(file)];
  if (rule === undefined) return `${file} is in a room without a rule`;
  const wrong = `${file} imports ${specifier}`;
  if (specifier.startsWith('.')) {
    const target = resolve(file, specifier);
    return [target, roomOf(target)].some((name) => rule.imports.includes(name)) ? undefined : wrong;
  }
  if (specifier.startsWith('node:')) {
    return rule.builtins === undefined || rule.builtins.includes(specifier) ? undefined : wrong;
  }
  if (builtinModules.includes(specifier)) return `${wrong} without node:`;
  const name = packageOf(specifier);
  const allowed = rule.packages === undefined ? !name.startsWith('@temporalio/') : isListed(rule.packages, name);
  return allowed ? undefined : wrong;
}

function wrongImports(all: readonly SourceFile[]): string[] {
  return all.flatMap((file) =>
    importsOf(file.text)
      .map((own) => wrongWith(file.path, own))
      .filter((wrong) => wrong !== undefined),
  );
}

/** The first cycle found, as the files on it; undefined if there is none. */
function cycleIn(all: readonly SourceFile[]): string[] | undefined {
  const targets = new Map(all.map((file) => [file.path, importsOf(file.text)]));
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const specifier of targets.get(file) ?? []) {
      if (!specifier.startsWith('.')) continue;
      const cycle = visit(resolve(file, specifier), [...trail, file]);
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of targets.keys()) {
    const cycle = visit(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** The imports of a text without those of types, which the build removes. */
function runtimeImportsOf(text: string): string[] {
  return importsOf(text.replace(/^(?:import|export) type [^;]*;/gm, ''));
}

/** Packages and Node's own modules that the workflow's bundle contains and the rule of workflows does not list. */
function wronglyBundled(all: readonly SourceFile[]): string[] {
  const texts = new Map(all.map((file) => [file.path, file.text]));
  const bundled = new Set(['workflows/index.ts']);
  const wrong: string[] = [];
  // A set also iterates over what is added meanwhile.
  for (const file of bundled) {
    for (const specifier of runtimeImportsOf(texts.get(file)!)) {
      if (specifier.startsWith('.')) bundled.add(resolve(file, specifier));
      else if (!isListed(rules.workflows!.packages!, packageOf(specifier))) wrong.push(`${file} imports ${specifier}`);
    }
  }
  expect(bundled.size).toBeGreaterThan(20);
  return wrong;
}

/** Folders of src with more than FILES_MAX files. */
function tooFull(all: readonly SourceFile[]): string[] {
  const counts = new Map<string, number>();
  for (const { path: file } of all) {
    const folder = path.posix.dirname(file);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].filter(([, files]) => files > FILES_MAX).map(([folder, files]) => `${folder} has ${files} files`);
}

function tooLong(all: readonly SourceFile[]): string[] {
  const lines = ({ text }: SourceFile) => text.trimEnd().split('\n').length;
  return all.filter((file) => lines(file) > LINES_MAX).map((file) => `${file.path} has ${lines(file)} lines`);
}

describe('in src', () => {
  test('every room imports only what it may', () => {
    expect(wrongImports(sources)).toEqual([]);
  });

  test('the bundle of the workflow contains no package but those that a workflow may import', () => {
    expect(wronglyBundled(sources)).toEqual([]);
  });

  test('every import of a file is of one that is there, so that none is missed here', () => {
    const known = new Set(sources.map((file) => file.path));
    const relative = sources.flatMap((file) =>
      importsOf(file.text)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => resolve(file.path, specifier)),
    );
    expect(relative.length).toBeGreaterThan(100);
    expect(relative.filter((target) => !known.has(target))).toEqual([]);
  });

  test('every import statement is seen as one, whatever strings and comments are about', () => {
    const statement = /^import\b(?!\.meta)|^export (?:type )?[{*]|\bimport\('/gm;
    for (const { path: file, text } of sources) {
      expect(`${file}: ${importsOf(text).length}`).toBe(`${file}: ${[...text.matchAll(statement)].length}`);
    }
  });

  test('no file imports itself, by whatever way round', () => {
    expect(cycleIn(sources)).toBeUndefined();
  });

  test(`no folder has more than ${FILES_MAX} files`, () => {
    expect(tooFull(files)).toEqual([]);
  });

  test(`no file has more than ${LINES_MAX} lines`, () => {
    expect(tooLong(files)).toEqual([]);
  });
});

/** The real sources and one more. */
function planted(file: string, text: string): string[] {
  return wrongImports([...sources, { path: file, text }]);
}

describe('planted, a wrong import is found', () => {
  test.each([
    ['billing/a.ts', `import { openPool } from '../postgres/pool.js';`, 'billing/a.ts imports ../postgres/pool.js'],
    ['billing/a.ts', `import type { Pool } from '../postgres/pool.js';`, 'billing/a.ts imports ../postgres/pool.js'],
    [
      'billing/a.ts',
      `import {\n  a,\n  type b,\n} from "../postgres/pool.js";`,
      'billing/a.ts imports ../postgres/pool.js',
    ],
    ['billing/a.ts', `/* why */ import '../postgres/pool.js'`, 'billing/a.ts imports ../postgres/pool.js'],
    ['billing/a.ts', `export * from '../postgres/pool.js';`, 'billing/a.ts imports ../postgres/pool.js'],
    ['billing/a.ts', `export { one as two } from '../postgres/pool.js';`, 'billing/a.ts imports ../postgres/pool.js'],
    ['billing/a.ts', `const pool = await import('../postgres/pool.js');`, 'billing/a.ts imports ../postgres/pool.js'],
    ['billing/a.ts', `let pool: import('../postgres/pool.js').Pool;`, 'billing/a.ts imports ../postgres/pool.js'],
    ['billing/a.ts', `import { readFile } from 'node:fs/promises';`, 'billing/a.ts imports node:fs/promises'],
    ['billing/a.ts', `import { randomBytes } from 'crypto';`, 'billing/a.ts imports crypto without node:'],
    ['billing/a.ts', `import pg from 'pg';`, 'billing/a.ts imports pg'],
    ['billing/deep/a.ts', `import '../../config.js';`, 'billing/deep/a.ts imports ../../config.js'],
    ['postgres/a.ts', `import { Context } from '@temporalio/activity';`, 'postgres/a.ts imports @temporalio/activity'],
    [
      'postgres/a.ts',
      `import { toFailure } from '../activities/task.js';`,
      'postgres/a.ts imports ../activities/task.js',
    ],
    [
      'activities/a.ts',
      `import { fanOut } from '../workflows/fan-out.js';`,
      'activities/a.ts imports ../workflows/fan-out.js',
    ],
    [
      'activities/a.ts',
      `import { note } from '../cli/text/output.js';`,
      'activities/a.ts imports ../cli/text/output.js',
    ],
    [
      'operations/a.ts',
      `import type { billingRun } from '../workflows/billing-run.js';`,
      'operations/a.ts imports ../workflows/billing-run.js',
    ],
    [
      'operations/a.ts',
      `import { note } from '../cli/text/output.js';`,
      'operations/a.ts imports ../cli/text/output.js',
    ],
    [
      'operations/a.ts',
      `import { toFailure } from '../activities/failures.js';`,
      'operations/a.ts imports ../activities/failures.js',
    ],
    ['cli/a.ts', `import { createMap } from '../activities/map.js';`, 'cli/a.ts imports ../activities/map.js'],
    ['workers/a.ts', `import { Command } from 'commander';`, 'workers/a.ts imports commander'],
    ['workflows/a.ts', `import { one } from '../postgres/pool.js';`, 'workflows/a.ts imports ../postgres/pool.js'],
    ['workflows/a.ts', `import { x } from '../activities/map.js';`, 'workflows/a.ts imports ../activities/map.js'],
    [
      'workflows/a.ts',
      `import { type createMap } from '../activities/map.js';`,
      'workflows/a.ts imports ../activities/map.js',
    ],
    ['workflows/a.ts', `import { hostname } from 'node:os';`, 'workflows/a.ts imports node:os'],
    ['workflows/a.ts', `import { Client } from '@temporalio/client';`, 'workflows/a.ts imports @temporalio/client'],
    ['logger.ts', `import { parsePrice } from './domain/money.js';`, 'logger.ts imports ./domain/money.js'],
    ['attic/a.ts', `import pg from 'pg';`, 'attic/a.ts is in a room without a rule'],
  ])('in %s: %s', (file, text, wrong) => {
    expect(planted(file, text)).toContain(wrong);
  });

  test.each([
    ['operations/a.ts', `import type { BillingRunWorkflow } from '../contract/billing-run.js';`],
    ['activities/a.ts', `import type { BillingRunInput } from '../contract/billing-run.js';`],
    [
      'billing/a.ts',
      `// import pg from 'pg';\n/* import '../postgres/pool.js'; */\nconst text = "import 'pg'" + \`\nimport 'pg';\``,
    ],
    ['postgres/a.ts', `import pg from 'pg';\nimport { Hash64 } from './hash.js';`],
  ])('and a right one is not, in %s: %s', (file, text) => {
    expect(planted(file, text)).toEqual(wrongImports(sources));
  });

  test('by its cycle, of types or of more', () => {
    const cycle = [
      { path: 'billing/a.ts', text: `import type { B } from './b.js';` },
      { path: 'billing/b.ts', text: `export { c } from './c.js';` },
      { path: 'billing/c.ts', text: `import { a } from './a.js';` },
    ];
    expect(cycleIn([...sources, ...cycle])).toEqual(['billing/a.ts', 'billing/b.ts', 'billing/c.ts', 'billing/a.ts']);
    expect(cycleIn([...sources, ...cycle.slice(1)])).toEqual(cycleIn(sources));
  });

  test('also if a workflow imports it by way of another file', () => {
    const plant = (text: string) => [
      ...sources.filter(({ path: file }) => file !== 'billing/price.ts'),
      { path: 'billing/price.ts', text },
    ];
    expect(wronglyBundled(plant(`import pg from 'pg';`))).toEqual(['billing/price.ts imports pg']);
    expect(wronglyBundled(plant(`import { readFile } from 'node:fs';`))).toEqual(['billing/price.ts imports node:fs']);
    expect(wronglyBundled(plant(`import type { Pool } from 'pg';`))).toEqual([]);
  });

  test('and so is a folder with too many files', () => {
    const plant = (count: number) => Array.from({ length: count }, (_, i) => ({ path: `attic/${i}.ts`, text: '' }));
    expect(tooFull(plant(FILES_MAX + 1))).toEqual([`attic has ${FILES_MAX + 1} files`]);
    expect(tooFull(plant(FILES_MAX))).toEqual([]);
  });

  test('and so is a file that is too long', () => {
    expect(tooLong([{ path: 'billing/a.ts', text: 'x\n'.repeat(LINES_MAX + 1) }])).toEqual([
      'billing/a.ts has 301 lines',
    ]);
    expect(tooLong([{ path: 'billing/a.ts', text: 'x\n'.repeat(LINES_MAX) }])).toEqual([]);
  });
});

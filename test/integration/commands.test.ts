import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import {
  type CommandOptions,
  type CommandResult,
  meterfold,
  startWorker,
  type WorkerProcess,
} from '../support/processes.js';
import { bill } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
let bare: Stack;
let worker: WorkerProcess;

beforeAll(async () => {
  [stack, bare] = await Promise.all([freshStack(), freshStack({ bare: true })]);
  worker = await startWorker(stack);
  await logs.weirdUsers(stack.pool, { calls: 1500 });
  await bill(stack, { pricePerUnit: '0.015' });
});
afterAll(() => Promise.all([stack.close(), bare.close()]));

const run = (args: string[], options: CommandOptions = {}): Promise<CommandResult> => meterfold(stack, args, options);

describe('an error is one sentence with the fix, without a stack, and with the right exit code:', () => {
  const nowhere = 'postgres://billing:secret@127.0.0.1:1/billing';

  /** `at` matches the whole of standard error. */
  test.each([
    [
      'the database is unreachable',
      ['runs'],
      { DATABASE_URL: nowhere },
      1,
      /^meterfold: PostgreSQL is not reachable at 127\.0\.0\.1:1: .* correct DATABASE_URL\.\n$/,
    ],
    [
      'the host is unknown',
      ['migrate'],
      { DATABASE_URL: 'postgres://db.invalid/x' },
      1,
      /^meterfold: PostgreSQL is not reachable at db\.invalid:5432: the host name is unknown: .*\n$/,
    ],
    [
      'Temporal is unreachable',
      ['schedule', 'show'],
      { TEMPORAL_ADDRESS: '127.0.0.1:1' },
      1,
      /^meterfold: Temporal is not reachable at 127\.0\.0\.1:1 \(without TLS\): .* set TEMPORAL_ADDRESS\.\n$/,
    ],
    [
      'the namespace is unknown',
      ['schedule', 'set', '--every', '1h'],
      { TEMPORAL_NAMESPACE: 'nowhere' },
      1,
      /^meterfold: Temporal at .* has no namespace "nowhere": create it with .*\n$/,
    ],
    [
      'a setting is wrong',
      ['runs'],
      { CURRENCY: 'usd' },
      2,
      /^meterfold: Wrong setting: CURRENCY must be a three-letter .*\n$/,
    ],
    [
      'the database is not named',
      ['runs'],
      { DATABASE_URL: '' },
      2,
      /^meterfold: Wrong setting: DATABASE_URL is not set; give .*\n$/,
    ],
    ['a run is unknown', ['status', '99'], {}, 1, /^meterfold: There is no run 99: `meterfold runs` lists them\.\n$/],
    ['a run to export is unknown', ['export', '--run', '99'], {}, 1, /^meterfold: There is no run 99: .*\n$/],
    ['a run is not a number', ['status', 'last'], {}, 2, /argument 'run'\. It must be the number of a run/],
    ['a command is unknown', ['bill'], {}, 2, /^error: unknown command 'bill'/],
    ['an option is unknown', ['runs', '--all'], {}, 2, /^error: unknown option '--all'/],
    ['an option is missing', ['export'], {}, 2, /^error: required option '--run <run>' not specified/],
    ['options exclude each other', ['statement', 'a', '--csv', '--json'], {}, 2, /cannot be used with option/],
  ])('%s', async (_name, args, env, code, at) => {
    const result = await run(args, { env });
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(at);
    expect(result.stderr).not.toMatch(/secret|\n\s+at /);
  });

  test('a migration is missing, for every command that needs the schema', async () => {
    for (const args of [
      ['runs'],
      ['status', '1'],
      ['statement', 'a'],
      ['export', '--run', '1'],
      ['generate'],
      ['run', '--dry-run'],
    ]) {
      const { code, stdout, stderr } = await meterfold(bare, args);
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' });
      expect(stderr).toMatch(/^meterfold: The database lacks migrations 0001-log, .*: run `meterfold migrate`\.\n$/);
    }
  });

  test('a role lacks privileges: doctor names them, and with the grants that it prints, the role can bill', async () => {
    const role = `test_${randomBytes(6).toString('hex')}`;
    await stack.pool.query(`create role ${role} login password 'x'`);
    const url = new URL(stack.databaseUrl);
    url.username = role;
    url.password = 'x';
    const env = { DATABASE_URL: url.toString() };
    try {
      const refused = await run(['runs'], { env });
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(
        /^meterfold: PostgreSQL at .*: permission denied for .*\. The role lacks a privilege: .*\n$/,
      );

      const { checks } = JSON.parse((await run(['doctor', '--json'], { env })).stdout);
      const fixes = checks.filter((check: Check) => check.name === 'rights').map((check: Check) => check.fix);
      expect(fixes.length).toBeGreaterThan(0);
      await stack.pool.query(fixes.join(' '));
      expect(await run(['doctor'], { env })).toMatchObject({ code: 0 });
      expect(await run(['run', '--dry-run', '--json'], { env })).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await stack.pool.query(`drop owned by ${role}`);
      await stack.pool.query(`drop role ${role}`);
    }
  });
});

interface Check {
  name: string;
  ok: boolean | null;
  fix?: string;
}

describe('doctor', () => {
  const faultsOf = (stdout: string): string[] =>
    JSON.parse(stdout)
      .checks.filter((check: Check) => check.ok === false)
      .map((check: Check) => check.name);

  test('finds no fault if a worker polls', async () => {
    const { code, stdout, stderr } = await run(['doctor']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toMatch(/✗|–/);
    expect(stdout).toMatch(/\nAll is well\.\n$/);
  });

  test('finds what is missing, with the fix, and exits with 1', async () => {
    const { code, stdout } = await meterfold(bare, ['doctor', '--json']);
    expect(code).toBe(1);
    expect(faultsOf(stdout)).toEqual(['migrations', 'log', 'workflow workers', 'activity workers']);
    for (const check of JSON.parse(stdout).checks as Check[]) expect(check.fix === undefined).toBe(check.ok !== false);
  });

  test('continues if one of the two servers is unreachable', async () => {
    const noDatabase = await run(['doctor', '--json'], { env: { DATABASE_URL: 'postgres://127.0.0.1:1/x' } });
    expect(faultsOf(noDatabase.stdout)).toEqual(['database']);
    const noTemporal = await run(['doctor', '--json'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(faultsOf(noTemporal.stdout)).toEqual(['Temporal']);
  });
});

describe('standard output is the result only:', () => {
  test('runs and status as JSON', async () => {
    const runs = JSON.parse((await run(['runs', '--json'])).stdout);
    expect(runs).toMatchObject([{ run_id: '1', state: 'published', calls: '1500', price_per_unit: '0.015' }]);
    const status = JSON.parse((await run(['status', '1', '--json'])).stdout);
    expect(status).toMatchObject({ ...runs[0], workers: [{ worker: worker.name }] });
  });

  test.each([
    ['runs'],
    ['status'],
    ['statement', 'Zoë'],
    ['export', '--run', '1'],
    ['verify'],
    ['retain', '--until', '1500', '--dry-run'],
    ['repack', '--dry-run'],
    ['run', '--dry-run'],
    ['revert', '1'],
    ['migrate'],
    ['doctor'],
  ])('%s %s prints one JSON document, whose fields are in snake_case', async (...args) => {
    const { code, stdout } = await run([...args.filter((arg) => arg !== undefined), '--json']);
    expect(code).toBe(0);
    const fields = [...JSON.stringify(JSON.parse(stdout)).matchAll(/"(\w+)":/g)].map(([, field]) => field!);
    expect(fields.length).toBeGreaterThan(2);
    expect(fields.filter((field) => field !== field.toLowerCase())).toEqual([]);
  });

  test('runs, status and a statement for people', async () => {
    expect((await run(['runs'])).stdout).toMatch(/^run {2}state .*\n {2}1 {2}published /);
    expect((await run(['status', '1'])).stdout).toMatch(/^Run 1: published\n\nlog .*calls after 0 up to 1,500\n/);
    const { stdout, stderr } = await run(['statement', '\u0001\u001b[31m\u007f']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Statement of \\u\{1\}\\u\{1b\}\[31m\\u\{7f\}\n/);
    expect(stdout).toMatch(/\nTotal: [\d,.]+ USD .*\nOpen cycle: /);
  });

  test.each([' ', 'line\r\nbreak', '"quoted", \'both\' ways', '$1 %s $(x)', '\u{10ffff}', 'é'.repeat(128)])(
    'the statement of user %j as JSON and CSV agree',
    async (user) => {
      const json = JSON.parse((await run(['statement', user, '--json'])).stdout);
      expect(json.user_id).toBe(user);
      const csv = (await run(['statement', user, '--csv'])).stdout;
      const { rows } = await stack.pool.query(
        'select cycle_number, usage, trim_scale(amount) as amount from billing_records where user_id = $1 order by 1',
        [user],
      );
      expect(
        json.cycles.map((cycle: Record<string, string>) => [cycle.cycle_number, cycle.usage, cycle.amount]),
      ).toEqual(rows.map((row) => [row.cycle_number, row.usage, row.amount]));
      const quoted = /[",\r\n]/.test(user) ? `"${user.replaceAll('"', '""')}"` : user;
      for (const { cycle_number, usage, amount } of json.cycles)
        expect(csv).toContain(`cycle,${quoted},${cycle_number},5,${usage},${amount},USD,`);
      for (const { usage, amount, amount_due } of json.totals)
        expect(csv).toMatch(new RegExp(`,${usage},${amount},USD,.*,${amount_due}\\n`));
      expect(csv).toContain(
        `open,${quoted},${json.open_cycle.next_cycle_number},${json.open_cycle.calls},${json.open_cycle.usage},`,
      );
    },
  );

  test('a statement of a user whom no run has seen is empty, with a remark on standard error', async () => {
    const { code, stdout, stderr } = await run(['statement', 'nobody', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ user_id: 'nobody', cycles: [], totals: [], open_cycle: null });
    expect(stderr).toMatch(/^No published run has calls of user nobody/);
  });

  test('an export as JSON and as CSV has every record of the run', async () => {
    const { rows } = await stack.pool.query<{ count: string }>('select count(*) from billing_records where run_id = 1');
    const { run_id: runId, records } = JSON.parse((await run(['export', '--run', '1', '--json'])).stdout);
    expect([runId, String(records.length)]).toEqual(['1', rows[0]!.count]);
    const csv = (await run(['export', '--run', '1', '--csv'])).stdout;
    const [header] = csv.split('\n');
    expect(header).toBe(
      'user_id,cycle_number,calls,usage,amount,currency,first_call_id,last_call_id,first_called_at,last_called_at,run_id',
    );
    // One row ends with the run's id; line breaks of user ids do not.
    expect(csv.match(/Z,1\n/g)).toHaveLength(records.length);
  });
});

describe('help', () => {
  const commands = [
    'demo',
    'dev',
    'migrate',
    'doctor',
    'generate',
    'worker',
    'run',
    'cancel',
    'runs',
    'status',
    'statement',
    'export',
    'schedule',
  ];

  test('of the program names every command', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
  });

  test.each([
    ...commands.map((command) => [command]),
    ...['set', 'show', 'pause', 'resume', 'trigger', 'remove'].map((command) => ['schedule', command]),
  ])('of %s %s has an example', async (...command) => {
    const { code, stdout } = await run([...command.filter((part) => part !== undefined), '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Examples?:\\n {2}\\$ .*meterfold ${command.filter(Boolean).join(' ')}`));
  });
});

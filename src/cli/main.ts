/**
 * The program `meterfold`. A command loads what it needs when it runs, so that `--help` is quick.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong use or a wrong setting (contract/failures.ts).
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { cleanOwnEnvironment } from '../environment.js';
import { type Addresses, addressesOf, explain, failureOf } from '../operations/explain.js';
import { register as registerDev } from './commands/dev.js';
import { register as registerDoctor } from './commands/doctor.js';
import { register as registerGenerate } from './commands/generate.js';
import { register as registerMigrate } from './commands/migrate.js';
import { register as registerOperate } from './commands/operate.js';
import { register as registerRepack } from './commands/repack.js';
import { register as registerRetain } from './commands/retain.js';
import { register as registerRun } from './commands/run.js';
import { register as registerRuns } from './commands/runs.js';
import { register as registerSchedule } from './commands/schedule.js';
import { register as registerStatement } from './commands/statement.js';
import { register as registerVerify } from './commands/verify.js';
import { register as registerWorker } from './commands/worker.js';
import { note, OutputClosed } from './text/output.js';

const packageFile = new URL('../../package.json', import.meta.url);

function buildProgram(): Command {
  const program = new Command('meterfold')
    .description('Turns a log of API calls in PostgreSQL into bills: exact, provable, fast. A MapReduce on Temporal.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ subcommandTerm: term })
    .showHelpAfterError('(add --help for the options and examples)')
    .exitOverride()
    .addHelpText(
      'after',
      `
Settings are environment variables: DATABASE_URL (required), TEMPORAL_ADDRESS and the other TEMPORAL_* variables,
PRICE_PER_UNIT, CURRENCY, CALLS_PER_CYCLE, LOG_LEVEL; docs/settings.md lists all of them.

Examples:
  $ meterfold demo                  bill 100,000 generated calls; needs nothing installed
  $ meterfold migrate               create or update the tables in DATABASE_URL
  $ meterfold doctor                check the database, Temporal and the workers
  $ meterfold worker                execute billing runs until stopped
  $ meterfold run                   bill all calls since the last run
  $ meterfold statement user-42     show what a user owes
  $ meterfold verify                check all billing records against the log

Exit codes: 0 done, 1 failed, 2 wrong use or a wrong setting.`,
    );
  registerDev(program);
  registerMigrate(program);
  registerDoctor(program);
  registerGenerate(program);
  registerWorker(program);
  registerRun(program);
  registerOperate(program);
  registerRuns(program);
  registerVerify(program);
  registerRepack(program);
  registerRetain(program);
  registerStatement(program);
  registerSchedule(program);
  return program;
}

/** A command with its arguments. Every command has options, so they are not mentioned. */
function term(command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const name = argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...args].join(' ');
}

function version(): string {
  return (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
}

/** The addresses in the settings; those in the environment if the settings are wrong. */
async function addresses(): Promise<Addresses> {
  try {
    const { loadConfig } = await import('../config.js');
    return addressesOf(process.env, loadConfig(process.env).temporal);
  } catch {
    return addressesOf(process.env);
  }
}

async function main() {
  cleanOwnEnvironment();
  try {
    await buildProgram().parseAsync();
  } catch (error) {
    if (error instanceof OutputClosed) return;
    // Commander has already printed its error, or the help.
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    process.exitCode = failureOf(error)?.exitCode ?? 1;
    note(`meterfold: ${explain(error, await addresses())}`);
    if (process.env.LOG_LEVEL === 'debug' || process.env.LOG_LEVEL === 'trace') note((error as Error).stack ?? '');
  }
}

await main();

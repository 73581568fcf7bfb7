/** `meterfold migrate`. */
import type { Command } from 'commander';
import { withContext } from './context.js';
import { writeJson, writeLine } from './output.js';

export function register(program: Command): void {
  program
    .command('migrate')
    .description("make or update meterfold's tables in the database")
    .option('--json', 'print one JSON object: the migrations applied now, and all')
    .addHelpText(
      'after',
      `
Safe to run at any time, and from several places at once. Temporal needs no preparation: an empty namespace is enough.

Examples:
  $ DATABASE_URL=postgres://billing@localhost/billing meterfold migrate`,
    )
    .action((flags: { json?: boolean }) =>
      withContext(async (context) => {
        const pool = await context.bareDatabase();
        const { migrate } = await import('../db/migrate.js');
        const { applied, current } = await migrate(pool);
        if (flags.json) return writeJson({ applied, current });
        for (const name of applied) await writeLine(`applied ${name}`);
        return writeLine(`The database is up to date at ${current.at(-1)}.`);
      }),
    );
}

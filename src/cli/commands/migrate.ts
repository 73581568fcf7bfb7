/** `meterfold migrate`. */
import { type Command, Option } from 'commander';
import type { Revoked } from '../../schema/grants.js';
import { withContext } from '../context.js';
import { note, writeJson, writeLine } from '../text/output.js';

export function register(program: Command): void {
  program
    .command('migrate')
    .description("create or update meterfold's tables in the database")
    .option('--json', 'print one JSON object: the migrations applied now, all migrations, and what was revoked')
    .addOption(
      new Option(
        '--log-guard <on|off>',
        'whether public.api_logs refuses UPDATE, DELETE and TRUNCATE (default: unchanged; on in a new database)',
      ).choices(['on', 'off']),
    )
    .addHelpText(
      'after',
      `
It can be run at any time, also by several processes at once. Temporal needs no preparation: an empty namespace is
sufficient.

Examples:
  $ DATABASE_URL=postgres://billing@localhost/billing meterfold migrate
  $ meterfold migrate --log-guard off`,
    )
    .action((flags: { json?: boolean; logGuard?: 'on' | 'off' }) =>
      withContext(async (context) => {
        const pool = await context.bareDatabase();
        const { migrate } = await import('../../schema/migrate.js');
        const revoked: Revoked[] = [];
        const { applied, current } = await migrate(pool, { onRevoked: (found) => revoked.push(...found), onBlocked });
        const { setLogGuard, unguardedTables } = await import('../../schema/log-guard.js');
        if (flags.logGuard !== undefined) await setLogGuard(pool, flags.logGuard === 'on', { onBlocked });
        const guarded = (await unguardedTables(pool)).length === 0;
        if (flags.json) return writeJson({ applied, current, logGuard: guarded ? 'on' : 'off', revoked });
        for (const name of applied) await writeLine(`applied ${name}`);
        for (const line of revokedLines(revoked)) await writeLine(line);
        await writeLine(
          guarded
            ? 'The log is guarded: public.api_logs takes inserts only.'
            : 'The log is not guarded: calls can be changed and deleted. Guard it with `meterfold migrate --log-guard on`.',
        );
        return writeLine(`The database is up to date at ${current.at(-1)}.`);
      }),
    );
}

let lastBlockedBy: string | undefined;

/** Notes each transaction that is waited for, once. */
function onBlocked(blockedBy: string): void {
  if (blockedBy === lastBlockedBy) return;
  lastBlockedBy = blockedBy;
  note(`waiting for ${blockedBy}, which uses a table that a migration changes; others can use the table meanwhile`);
}

/** One line for each role: what default privileges had granted to it, and the migration has revoked. */
function revokedLines(revoked: readonly Revoked[]): string[] {
  const roles = [...new Set(revoked.map(({ role }) => role))];
  return roles.map((role) => {
    const objects = revoked.filter((one) => one.role === role).flatMap((one) => one.objects);
    return `revoked from ${role} what default privileges had granted on ${[...new Set(objects)].join(', ')}; grant what it needs of it`;
  });
}

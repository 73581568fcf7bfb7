/**
 * The statements of verify: the files in sql/, which are read once, when this module is loaded.
 *
 * A file is a statement, or a part of one, with bound parameters ($1 …), which its header describes. It may also
 * contain
 *
 *   :name         the fragment of that name below: a definition that several statements share
 *   --#if flag    lines up to --#else or --#end, which are omitted unless the flag is set
 *   --#else       lines up to --#end, which are omitted if the flag is set
 */
import { readdirSync, readFileSync } from 'node:fs';
import { RECORD_CYCLES_MAX } from '../engine/layout.js';
import { invariant } from '../invariant.js';
import { TERMS_KEY_SQL } from '../schema/terms.js';

/**
 * Verify has its own definition of a billable call, because it checks the definition that map uses (billing/call.ts). A
 * test compares both. The result is null, which is not true, where a column is null.
 */
export const BILLABLE = `
  octet_length(user_id) between 1 and 256
  and usage between 0 and 1000000000000000
  and called_at >= '1970-01-01 00:00:00+00' and called_at < '2100-01-01 00:00:00+00'`;

/** Why the row `call` of the log cannot be billed; null if it can. It must agree with BILLABLE. */
export const REASON = `
  case when (octet_length(call.user_id) between 1 and 256) is not true then 'user_id must have 1 to 256 bytes'
       when (call.usage between 0 and 1000000000000000) is not true then 'usage must be a number from 0 to 10^15'
       when call.called_at is null then 'called_at must not be null'
       when call.called_at < '1970-01-01 00:00:00+00' or call.called_at >= '2100-01-01 00:00:00+00'
         then 'called_at must lie in 1970 to 2099'
  end`;

const FRAGMENTS: Readonly<Record<string, string>> = {
  billable: BILLABLE,
  reason: REASON,
  record_cycles_max: String(RECORD_CYCLES_MAX),
  terms_key: TERMS_KEY_SQL,
};

const directory = new URL('./sql/', import.meta.url);
const texts = new Map(
  readdirSync(directory).map((file) => [file.replace(/\.sql$/, ''), readFileSync(new URL(file, directory), 'utf8')]),
);

/** The text of sql/<name>.sql with its fragments and, of its optional lines, those that the flags select. */
export function sql(name: string, flags: Readonly<Record<string, boolean>> = {}): string {
  const text = texts.get(name);
  invariant(text !== undefined, `there is no src/audit/sql/${name}.sql`);
  return selectLines(text, flags).replace(/(?<!:):([a-z_]+)\b/g, (_, fragment: string) => {
    invariant(fragment in FRAGMENTS, `${name}.sql: there is no fragment :${fragment}`);
    return FRAGMENTS[fragment]!;
  });
}

function selectLines(text: string, flags: Readonly<Record<string, boolean>>): string {
  const lines: string[] = [];
  let isSelected = true;
  for (const line of text.split('\n')) {
    const [, word, flag] = /^--#(if|else|end)(?: (\w+))?$/.exec(line) ?? [];
    if (word === undefined) {
      if (isSelected) lines.push(line);
    } else if (word === 'if') {
      invariant(flag !== undefined && flag in flags, `flag ${flag} is not given`);
      isSelected = flags[flag]!;
    } else {
      isSelected = word === 'end' || !isSelected;
    }
  }
  return lines.join('\n');
}

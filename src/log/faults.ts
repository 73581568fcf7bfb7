/**
 * Checks whether the log can be billed, and returns each fault with the statement that fixes it. Used by `doctor`, and
 * by the first migration if the log already exists. The checks read the system catalogs and the end of the log's index.
 */

import { one, type Queryable } from '../postgres/pool.js';
import { collationFix, identityFix, missingIdFix, typeFix, unpartitionFix } from './fixes.js';
import { type LogFault, WITH_LOG_RELATIONS } from './ids.js';
import { sequenceFaults } from './sequence.js';

interface Column {
  type: string;
  notNull: boolean;
  collation: string | null;
  generates: boolean;
}

const columnTypes: Record<string, string> = {
  id: 'bigint',
  user_id: 'text',
  call_id: 'text',
  endpoint: 'text',
  method: 'text',
  status: 'integer',
  usage: 'bigint',
  called_at: 'timestamp with time zone',
  received_at: 'timestamp with time zone',
};
const requiredColumns = ['id', 'user_id', 'usage', 'called_at'];
const alter = 'alter table public.api_logs';

export async function logExists(queryable: Queryable): Promise<boolean> {
  return one(await queryable.query<{ found: boolean }>("select to_regclass('public.api_logs') is not null as found"))
    .found;
}

/** Requires SELECT on the log and on its sequence. */
export async function logFaults(queryable: Queryable): Promise<LogFault[]> {
  if (!(await logExists(queryable))) return [await noLog(queryable)];
  const table = await tableFaults(queryable);
  if (table.length > 0) return table;
  const columns = columnFaults(await readColumns(queryable));
  if (columns.length > 0) return columns;
  return [...(await keyFaults(queryable)), ...(await sequenceFaults(queryable))];
}

async function noLog(queryable: Queryable): Promise<LogFault> {
  const { rows } = await queryable.query("select where to_regclass('meterfold.migrations') is not null");
  if (rows.length === 0) return { what: 'there is no table public.api_logs', fix: 'meterfold migrate' };
  return {
    what: 'the table public.api_logs, which existed when this database was migrated, was dropped or renamed',
    fix: 'alter table <its present name> rename to api_logs;',
  };
}

/** The keyword of ALTER for relations that are not tables, by pg_class.relkind. */
const kinds: Record<string, string> = { v: 'view', m: 'materialized view', f: 'foreign table', S: 'sequence' };

async function tableFaults(queryable: Queryable): Promise<LogFault[]> {
  const table = one(
    await queryable.query<{ kind: string; filtered: boolean; role: string; unlogged: string[]; parts: string | null }>(`
      ${WITH_LOG_RELATIONS}
      select relkind as kind, row_security_active(oid) as filtered, quote_ident(current_user) as role,
             array(select format('%I.%I', relnamespace::regnamespace::text::name, relname)
                     from pg_class join log on relation = pg_class.oid
                    where relpersistence = 'u' and relkind = 'r' order by 1) as unlogged,
             (select pg_get_partkeydef(partrelid) from pg_partitioned_table
               where partrelid = pg_class.oid
                 and not partattrs::int2[] <@ array(select attnum from pg_attribute where attrelid = partrelid and attname = 'id')) as parts
        from pg_class where oid = 'public.api_logs'::regclass`),
  );
  // 'r' is a table, 'p' a partitioned table.
  if (table.kind !== 'r' && table.kind !== 'p') {
    const kind = kinds[table.kind] ?? 'table';
    return [
      {
        what: 'public.api_logs is not a table; once the name is free, `meterfold migrate` creates it',
        fix: `alter ${kind} public.api_logs rename to api_logs_before;`,
      },
    ];
  }
  if (table.parts !== null) {
    return [
      {
        what:
          `public.api_logs is partitioned by ${table.parts}, so PostgreSQL cannot keep ids unique; it must be one table, or partitioned by range (id). ` +
          'The fix copies it into one table, on which its writers need INSERT',
        fix: unpartitionFix(),
      },
    ];
  }
  const faults: LogFault[] = table.unlogged.map((name) => ({
    what: `the table ${name} is unlogged, so a crash empties it`,
    fix: `alter table ${name} set logged;`,
  }));
  if (table.filtered) {
    faults.push({
      what: 'row-level security hides calls from this role',
      fix: `alter role ${table.role} bypassrls;`,
    });
  }
  return faults;
}

async function readColumns(queryable: Queryable): Promise<Map<string, Column>> {
  const { rows } = await queryable.query<Column & { name: string }>(`
    select attribute.attname as name, format_type(attribute.atttypid, attribute.atttypmod) as type,
           attribute.attnotnull as "notNull", attribute.attidentity <> '' or attribute.atthasdef as generates,
           (select collname from pg_collation where oid = attribute.attcollation) as collation
      from pg_attribute attribute
     where attribute.attrelid = 'public.api_logs'::regclass and attribute.attnum > 0 and not attribute.attisdropped`);
  return new Map(rows.map((row) => [row.name, row]));
}

function columnFaults(columns: Map<string, Column>): LogFault[] {
  const faults: LogFault[] = [];
  for (const [name, type] of Object.entries(columnTypes)) {
    const column = columns.get(name);
    const collate = name === 'user_id' ? ' collate "C"' : '';
    if (column === undefined) {
      const fix = name === 'id' ? missingIdFix() : `${alter} add column ${name} ${type}${collate};`;
      faults.push({ what: `column ${name} is missing`, fix });
      continue;
    }
    if (column.type !== type) {
      faults.push({
        what: `column ${name} is ${column.type} instead of ${type}`,
        fix: typeFix(name, column.type, type),
      });
    } else if (name === 'user_id' && column.collation !== 'C') {
      faults.push({ what: `column user_id has collation "${column.collation}" instead of "C"`, fix: collationFix() });
    }
    if (requiredColumns.includes(name) && !column.notNull) {
      faults.push({ what: `column ${name} may be null`, fix: `${alter} alter column ${name} set not null;` });
    }
    if (name === 'id' && !column.generates) {
      faults.push({ what: 'column id has no default from a sequence', fix: identityFix() });
    }
  }
  return faults;
}

async function keyFaults(queryable: Queryable): Promise<LogFault[]> {
  const { rows } = await queryable.query(`
    select from pg_index index
      join pg_attribute attribute on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
     where index.indrelid = 'public.api_logs'::regclass and index.indisunique and index.indisvalid
       and index.indnkeyatts = 1 and index.indpred is null and attribute.attname = 'id'`);
  return rows.length > 0 ? [] : [{ what: 'column id has no unique index', fix: `${alter} add unique (id);` }];
}

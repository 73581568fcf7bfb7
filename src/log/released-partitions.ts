/** Finds partitions of the log that have only released calls and may be dropped. */
import { one, type Queryable } from '../postgres/pool.js';

export interface ReleasedPartitions {
  /** False if the log is a plain table, whose calls up to the released position may be deleted. */
  isPartitioned: boolean;
  /** Partitions by id that end at or before the released position: they cannot receive calls that are not released. */
  droppable: string[];
  /** Partitions by another key that now have only released calls. They may receive later calls. */
  releasedForNow: string[];
  /**
   * SQL that drops the droppable partitions. Empty if there is a default partition, with which PostgreSQL cannot detach
   * partitions concurrently.
   */
  statements: string[];
}

interface Partition {
  /** The name with its schema, quoted as in SQL. */
  name: string;
  isDefault: boolean;
  /** The first id after the partition; null if it is not a range of ids. */
  end: string | null;
}

export async function readReleasedPartitions(db: Queryable, position: string): Promise<ReleasedPartitions> {
  const { rows } = await db.query<Partition>(`
    select format('%I.%I', pg_namespace.nspname, part.relname) as name,
           pg_get_expr(part.relpartbound, part.oid) = 'DEFAULT' as "isDefault",
           case when partstrat = 'r' and partnatts = 1 and key.attname = 'id'
                then substring(pg_get_expr(part.relpartbound, part.oid) from 'TO \\(''?(-?\\d+)''?\\)') end as "end"
      from pg_inherits
      join pg_class part on part.oid = inhrelid
      join pg_namespace on pg_namespace.oid = part.relnamespace
      join pg_partitioned_table on partrelid = inhparent
      left join pg_attribute key on key.attrelid = partrelid and key.attnum = partattrs[0]
     where inhparent = 'public.api_logs'::regclass
     order by part.oid`);
  const droppable = rows.filter(({ end }) => end !== null && BigInt(end) <= BigInt(position) + 1n);
  const releasedForNow: string[] = [];
  for (const { name, end, isDefault } of rows) {
    if (end !== null || isDefault) continue;
    const beyond = `select not exists (select from ${name} where id > $1) and exists (select from ${name}) as released`;
    if (one(await db.query<{ released: boolean }>(beyond, [position])).released) releasedForNow.push(name);
  }
  const hasDefault = rows.some(({ isDefault }) => isDefault);
  return {
    isPartitioned: rows.length > 0,
    droppable: droppable.map(({ name }) => name),
    releasedForNow,
    statements: hasDefault
      ? []
      : droppable.flatMap(({ name }) => [
          `alter table public.api_logs detach partition ${name} concurrently;`,
          `drop table ${name};`,
        ]),
  };
}

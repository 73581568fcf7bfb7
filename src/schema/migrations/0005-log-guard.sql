-- The log's guard: a call that may have been billed is not changed by accident. Rows can be inserted as ever; UPDATE, DELETE and
-- TRUNCATE are refused, unless the transaction says `set local meterfold.log_guard = off`.

create function meterfold.refuse_log_change() returns trigger
  language plpgsql
as $$
begin
  if current_setting('meterfold.log_guard', true) is distinct from 'off' then
    raise exception '% of %.% refused: calls are billed as they were logged', tg_op, tg_table_schema, tg_table_name
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Whoever must, lifts it for one transaction by "set local meterfold.log_guard = off", '
                   'or for good by "meterfold migrate --log-guard off"; "meterfold verify" tells what was changed.';
  end if;
  return case tg_op when 'UPDATE' then new when 'DELETE' then old end;
end $$;

-- Sets the guard on the log and on all its present partitions, or lifts it. PostgreSQL hands triggers of rows on to partitions
-- that are made later, but none of TRUNCATE.
create function meterfold.guard_log(guarded boolean) returns void
  language plpgsql
as $$
declare
  part regclass;
begin
  drop trigger if exists meterfold_guard on public.api_logs;
  if guarded then
    create trigger meterfold_guard before update or delete on public.api_logs
      for each row execute function meterfold.refuse_log_change();
  end if;
  for part in select 'public.api_logs'::regclass union select relid from pg_partition_tree('public.api_logs') loop
    execute format('drop trigger if exists meterfold_guard_truncate on %s', part);
    if guarded then
      execute format('create trigger meterfold_guard_truncate before truncate on %s '
                     'for each statement execute function meterfold.refuse_log_change()', part);
    end if;
  end loop;
end $$;

select meterfold.guard_log(true);

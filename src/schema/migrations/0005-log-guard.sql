-- The guard of the log: triggers that keep billed calls from being changed by accident. INSERT is allowed; UPDATE,
-- DELETE and TRUNCATE are refused.
--
-- The owner of the log lifts the guard for one transaction by `set local meterfold.log_guard = off`. Any role may
-- change that setting, so it has an effect only if the statement runs with the owner's privileges and the session
-- belongs to the owner or a member of it. The second condition stops a role that changes the setting and then calls a
-- SECURITY DEFINER function of the owner.

-- It runs in the sessions of all programs that write to the log, so it has a search_path of its own.
create function meterfold.refuse_log_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  lifted constant boolean := current_setting('meterfold.log_guard', true) is not distinct from 'off';
  log_owner oid;
begin
  if lifted then
    select relowner into log_owner from pg_catalog.pg_class where oid = tg_relid;
    if pg_has_role(current_user, log_owner, 'usage') and pg_has_role(session_user, log_owner, 'member') then
      return case tg_op when 'UPDATE' then new when 'DELETE' then old end;
    end if;
  end if;
  raise exception '% of %.% refused: calls are billed as they were logged', tg_op, tg_table_schema, tg_table_name
    using errcode = case when lifted then 'insufficient_privilege' else 'object_not_in_prerequisite_state' end,
          hint = 'The owner of the table lifts it for one transaction by "set local meterfold.log_guard = off", '
                 'or permanently by "meterfold migrate --log-guard off"; "meterfold verify" finds what was changed.';
end $$;

-- Sets or lifts the guard on the log and on all its present partitions and child tables. Existing triggers are enabled
-- or disabled: that takes a weaker lock than dropping and creating them, and does not wait for readers of the log.
-- PostgreSQL applies row triggers to partitions that are created later, but not triggers of TRUNCATE, and applies none
-- to a child table (INHERITS).
create function meterfold.guard_log(guarded boolean) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  part regclass;
  guard name;
  event text;
begin
  for part, guard, event in
    with recursive log (relation) as (
      select 'public.api_logs'::regclass::oid
      union
      select inhrelid from pg_inherits join log on inhparent = relation
    )
    select relation, wanted.guard, wanted.event
      from log
      join pg_class on pg_class.oid = relation,
           (values (name 'meterfold_guard', 'update or delete'),
                   (name 'meterfold_guard_truncate', 'truncate')) wanted (guard, event)
     -- A partition inherits the row trigger of the log.
     where wanted.guard = 'meterfold_guard_truncate' or not relispartition
     order by relation, wanted.guard
  loop
    if guarded and not exists (select from pg_trigger
                                where tgrelid = part and tgname = guard
                                  and tgfoid = 'meterfold.refuse_log_change'::regproc) then
      if exists (select from pg_trigger where tgrelid = part and tgname = guard) then
        execute format('drop trigger %I on %s', guard, part);
      end if;
      execute format('create trigger %I before %s on %s for each %s execute function meterfold.refuse_log_change()',
                     guard, event, part, case guard when 'meterfold_guard' then 'row' else 'statement' end);
    elsif exists (select from pg_trigger where tgrelid = part and tgname = guard) then
      execute format('alter table %s %s trigger %I', part, case when guarded then 'enable' else 'disable' end, guard);
    end if;
  end loop;
end $$;

-- Only the owner of the log can use either function.
revoke execute on function meterfold.refuse_log_change(), meterfold.guard_log(boolean) from public;

select meterfold.guard_log(true);

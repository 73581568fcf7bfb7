-- Operating runs: a workflow that is reset may open a run anew, the newest published run can be taken back, calls that break the
-- log's promises can be put aside, and every ended run carries a digest of what is known of it.

alter table meterfold.runs
  -- The execution that opened it. A reset of the workflow is another one, of the same first execution.
  add column execution_run_id  text,
  -- What map does with a call that breaks what the log promises.
  add column bad_calls         text not null default 'stop' check (bad_calls in ('stop', 'quarantine')),
  add column quarantined_calls bigint not null default 0 check (quarantined_calls >= 0),
  add column quarantined_usage numeric not null default 0,
  add column reverted_at       timestamptz,
  add column revert_reason     text,
  -- The transaction that published it: no version of a row of the log that it billed is newer.
  add column published_xid     xid8,
  -- Of all its other columns and its tasks, when it ended; see meterfold.run_digest.
  add column row_digest        bigint;

update meterfold.runs set execution_run_id = first_execution_run_id;
alter table meterfold.runs alter column execution_run_id set not null;

-- An execution opens one run at most, however often its plan is tried.
drop index meterfold.runs_of_owner;
create unique index runs_of_execution on meterfold.runs (execution_run_id, workflow_id, temporal_namespace);
create index runs_of_owner on meterfold.runs (first_execution_run_id, workflow_id, temporal_namespace);

alter table meterfold.runs
  drop constraint runs_state_check,
  drop constraint runs_check2,
  drop constraint runs_check4,
  add constraint runs_state_check check (state in ('active', 'published', 'discarded', 'reverted')),
  add constraint runs_published_check check ((state in ('published', 'reverted')) = (published_at is not null)),
  add constraint runs_reverted_check check ((state = 'reverted') = (reverted_at is not null and revert_reason is not null)),
  add constraint runs_proved_check check (state not in ('published', 'reverted')
         or (sealed_end is not null and proof is not null and cycles is not null
             and carried_in_calls + calls = calls_per_cycle * cycles + carried_out_calls
             and carried_in_usage + usage = billed_usage + carried_out_usage
             and amount = billed_usage * price_per_unit));

-- Calls that break what the log promises, put aside by a run that was told to. They are counted by its proof, and never billed.
create table meterfold.quarantine (
  run_id       bigint not null references meterfold.runs,
  log_position bigint primary key,
  -- As the log had it; null is none.
  usage        bigint,
  reason       text not null
);

create index quarantine_of_run on meterfold.quarantine (run_id);

create view public.quarantined_calls as
select aside.log_position as id, aside.usage, aside.reason, aside.run_id
  from meterfold.quarantine aside
  join meterfold.runs run on run.run_id = aside.run_id and run.state = 'published';

comment on view public.quarantined_calls is 'Calls up to the watermark that can''t be billed, and why.';

-- Which task an attempt works on: two activities may work on the same one, the second as a backup.
alter table meterfold.attempts
  add column task_kind   text,
  add column task_number integer;

-- A run's row and its tasks as one number, with that of the run before it: a change of any of it shows, and published runs form a chain.
-- Columns that are null are left out, so that a later migration may add some.
create function meterfold.run_digest(of_run bigint) returns bigint
  language sql stable
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
  select hashtextextended(
           jsonb_strip_nulls(to_jsonb(run) - 'row_digest')::text
             || coalesce((select string_agg(jsonb_strip_nulls(to_jsonb(task))::text, ' ' order by task.kind, task.number)
                            from meterfold.tasks task
                           where task.run_id = run.run_id), ''),
           case when run.state <> 'discarded' then coalesce(previous.row_digest, 0) else 0 end)
    from meterfold.runs run
    left join meterfold.runs previous on previous.run_id = run.previous_run_id
   where run.run_id = of_run
$$;

update meterfold.runs set row_digest = meterfold.run_digest(run_id) where state = 'discarded';
do $$
declare
  ended record;
begin
  for ended in select run_id from meterfold.runs where state = 'published' order by run_id loop
    update meterfold.runs set row_digest = meterfold.run_digest(run_id) where run_id = ended.run_id;
  end loop;
end $$;

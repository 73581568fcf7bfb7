SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA meterfold;
CREATE FUNCTION meterfold.amount_of(usage numeric, price_per_unit numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (usage * price_per_unit);
CREATE FUNCTION meterfold.append_link(of_event text, of_run bigint, of_digest bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  head     meterfold.chain_head;
  next     bigint;
  new_hash bytea;
begin
  insert into meterfold.chain_head (number, hash, newest_run_id)
  values (0, decode(repeat('00', 32), 'hex'), 0)
  on conflict (only_row) do nothing;
  select * into strict head from meterfold.chain_head for update;
  next := greatest(head.number, (select max(number) from meterfold.chain)) + 1;
  new_hash := sha256(head.hash || convert_to(concat_ws(' ', head.number + 1, of_event, of_run, of_digest), 'UTF8'));
  insert into meterfold.chain (number, event, run_id, digest, hash)
  values (next, of_event, of_run, of_digest, new_hash);
  update meterfold.chain_head
     set number = next, hash = new_hash, newest_run_id = greatest(newest_run_id, of_run);
end $$;
CREATE FUNCTION meterfold.guard_log(guarded boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION meterfold.link_retention() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform meterfold.append_link('retained', new.run_id, meterfold.retention_digest(new.run_id));
  return null;
end $$;
CREATE FUNCTION meterfold.link_run() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform meterfold.append_link(new.state, new.run_id, new.row_digest);
  return null;
end $$;
CREATE FUNCTION meterfold.number_at(numbers bit varying, index integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ("substring"((numbers)::"bit", ((64 * index) - 63), 64))::bigint;
CREATE FUNCTION meterfold.refuse_log_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION meterfold.refuse_revert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if exists (select from meterfold.retentions where run_id >= new.run_id) then
    raise exception 'run % cannot be reverted: its calls were released by "meterfold retain"', new.run_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  return new;
end $$;
CREATE FUNCTION meterfold.retention_digest(of_run bigint) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    AS $$
  select hashtextextended(jsonb_strip_nulls(to_jsonb(retention))::text, 0)
    from meterfold.retentions retention
   where retention.run_id = of_run
$$;
CREATE FUNCTION meterfold.run_at(run_ids bit varying, run_starts bit varying, index integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ("substring"((run_ids)::"bit", ((64 * (bit_count("substring"((run_starts)::"bit", 1, index)))::integer) - 63), 64))::bigint;
CREATE FUNCTION meterfold.run_digest(of_run bigint) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    AS $$
  select hashtextextended(
           jsonb_strip_nulls(to_jsonb(run) - 'row_digest')::text
             || coalesce((select string_agg(jsonb_strip_nulls(to_jsonb(task))::text, ' '
                                            order by task.kind, task.number)
                            from meterfold.tasks task
                           where task.run_id = run.run_id), ''),
           case when run.state <> 'discarded' then coalesce(previous.row_digest, 0) else 0 end)
    from meterfold.runs run
    left join meterfold.runs previous on previous.run_id = run.previous_run_id
   where run.run_id = of_run
$$;
CREATE FUNCTION meterfold.run_range(run_ids bit varying, run_id bigint) RETURNS int8range
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN int8range(("substring"((run_ids)::"bit", 1, 64))::bigint, run_id, '[]'::text);
CREATE AGGREGATE meterfold.concatenated(bit varying) (
    SFUNC = bitcat,
    STYPE = bit varying,
    INITCOND = '',
    PARALLEL = safe
);
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE meterfold.attempts (
    attempt_id bigint NOT NULL,
    run_id bigint NOT NULL,
    activity_id text NOT NULL,
    task_kind text,
    task_number integer,
    backend_pid integer NOT NULL,
    backend_start timestamp with time zone NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE meterfold.attempts ALTER COLUMN attempt_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME meterfold.attempts_attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE meterfold.chain (
    number bigint NOT NULL,
    event text NOT NULL,
    run_id bigint NOT NULL,
    digest bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT chain_event_check CHECK ((event = ANY (ARRAY['published'::text, 'discarded'::text, 'reverted'::text, 'retained'::text]))),
    CONSTRAINT chain_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT chain_number_check CHECK ((number > 0))
);
CREATE TABLE meterfold.chain_head (
    only_row boolean DEFAULT true NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL,
    newest_run_id bigint NOT NULL,
    CONSTRAINT chain_head_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT chain_head_newest_run_id_check CHECK ((newest_run_id >= 0)),
    CONSTRAINT chain_head_number_check CHECK ((number >= 0)),
    CONSTRAINT chain_head_only_row_check CHECK (only_row)
);
CREATE TABLE meterfold.installation (
    installation_id uuid DEFAULT gen_random_uuid() NOT NULL,
    single_row boolean DEFAULT true NOT NULL,
    CONSTRAINT installation_single_row_check CHECK (single_row)
);
CREATE TABLE meterfold.leases (
    run_id bigint NOT NULL,
    renewed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE meterfold.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    works_with integer,
    release text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT migrations_number_check CHECK ((number > 0)),
    CONSTRAINT migrations_works_with_check CHECK (((works_with >= 1) AND (works_with <= number)))
);
CREATE TABLE meterfold.open_cycles (
    run_id bigint NOT NULL,
    next_cycle bigint NOT NULL,
    usage bigint NOT NULL,
    first_call_id bigint,
    first_called_at timestamp with time zone,
    calls smallint NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT open_cycles_calls_check CHECK ((calls >= 0)),
    CONSTRAINT open_cycles_first_call_check CHECK ((((calls = 0) = (first_call_id IS NULL)) AND ((calls = 0) = (first_called_at IS NULL)) AND ((calls > 0) OR (usage = 0)))),
    CONSTRAINT open_cycles_next_cycle_check CHECK ((next_cycle >= 1)),
    CONSTRAINT open_cycles_usage_check CHECK ((usage >= 0))
);
CREATE TABLE meterfold.quarantine (
    run_id bigint NOT NULL,
    log_position bigint NOT NULL,
    usage bigint,
    reason text NOT NULL
);
CREATE TABLE meterfold.records (
    run_id bigint NOT NULL,
    first_cycle bigint NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    usages bit varying NOT NULL,
    first_call_ids bit varying NOT NULL,
    last_call_ids bit varying NOT NULL,
    first_called_micros bit varying NOT NULL,
    last_called_micros bit varying NOT NULL,
    CONSTRAINT records_first_call_ids_check CHECK ((length((first_call_ids)::"bit") = length((usages)::"bit"))),
    CONSTRAINT records_first_called_micros_check CHECK ((length((first_called_micros)::"bit") = length((usages)::"bit"))),
    CONSTRAINT records_first_cycle_check CHECK ((first_cycle >= 1)),
    CONSTRAINT records_last_call_ids_check CHECK ((length((last_call_ids)::"bit") = length((usages)::"bit"))),
    CONSTRAINT records_last_called_micros_check CHECK ((length((last_called_micros)::"bit") = length((usages)::"bit"))),
    CONSTRAINT records_usages_check CHECK ((((length((usages)::"bit") >= 64) AND (length((usages)::"bit") <= (96 * 64))) AND ((length((usages)::"bit") % 64) = 0)))
);
ALTER TABLE ONLY meterfold.records ALTER COLUMN usages SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.records ALTER COLUMN first_call_ids SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.records ALTER COLUMN last_call_ids SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.records ALTER COLUMN first_called_micros SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.records ALTER COLUMN last_called_micros SET STORAGE PLAIN;
CREATE TABLE meterfold.repacked_records (
    run_ids bit varying NOT NULL,
    run_starts bit varying NOT NULL,
    CONSTRAINT repacked_records_run_ids_check CHECK (((length((run_ids)::"bit") = (64 * bit_count((run_starts)::"bit"))) AND (("substring"((run_ids)::"bit", (length((run_ids)::"bit") - 63), 64))::bigint = run_id))),
    CONSTRAINT repacked_records_run_starts_check CHECK (((length((run_starts)::"bit") = (length((usages)::"bit") / 64)) AND (get_bit((run_starts)::"bit", 0) = 1)))
)
INHERITS (meterfold.records);
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN usages SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN first_call_ids SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN last_call_ids SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN first_called_micros SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN last_called_micros SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN run_ids SET STORAGE PLAIN;
ALTER TABLE ONLY meterfold.repacked_records ALTER COLUMN run_starts SET STORAGE PLAIN;
CREATE TABLE meterfold.repacks (
    repack_id bigint NOT NULL,
    until_run_id bigint NOT NULL,
    cycles bigint NOT NULL,
    rows_before bigint NOT NULL,
    rows_after bigint NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE meterfold.repacks ALTER COLUMN repack_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME meterfold.repacks_repack_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE meterfold.retained_open_cycles (
    run_id bigint NOT NULL,
    next_cycle bigint NOT NULL,
    usage bigint NOT NULL,
    first_call_id bigint,
    first_called_at timestamp with time zone,
    calls smallint NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT retained_open_cycles_calls_check CHECK ((calls >= 0)),
    CONSTRAINT retained_open_cycles_first_call_check CHECK ((((calls = 0) = (first_call_id IS NULL)) AND ((calls = 0) = (first_called_at IS NULL)) AND ((calls > 0) OR (usage = 0)))),
    CONSTRAINT retained_open_cycles_next_cycle_check CHECK ((next_cycle >= 1)),
    CONSTRAINT retained_open_cycles_usage_check CHECK ((usage >= 0))
);
CREATE TABLE meterfold.retentions (
    run_id bigint NOT NULL,
    after_position bigint NOT NULL,
    "position" bigint NOT NULL,
    until_time timestamp with time zone,
    newest_called_at timestamp with time zone,
    runs bigint NOT NULL,
    calls bigint NOT NULL,
    usage numeric NOT NULL,
    quarantined_calls bigint NOT NULL,
    cycles bigint NOT NULL,
    log_digest text NOT NULL,
    records_digest text NOT NULL,
    quarantine_digest text NOT NULL,
    users bigint NOT NULL,
    open_calls bigint NOT NULL,
    open_usage numeric NOT NULL,
    open_cycles_digest text NOT NULL,
    retained_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retentions_after_position_check CHECK ((after_position >= 0)),
    CONSTRAINT retentions_calls_check CHECK ((calls >= 0)),
    CONSTRAINT retentions_cycles_check CHECK ((cycles >= 0)),
    CONSTRAINT retentions_log_digest_check CHECK ((log_digest ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT retentions_open_calls_check CHECK ((open_calls >= 0)),
    CONSTRAINT retentions_open_cycles_digest_check CHECK ((open_cycles_digest ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT retentions_open_usage_check CHECK ((open_usage >= (0)::numeric)),
    CONSTRAINT retentions_position_check CHECK (("position" > after_position)),
    CONSTRAINT retentions_quarantine_digest_check CHECK ((quarantine_digest ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT retentions_quarantined_calls_check CHECK ((quarantined_calls >= 0)),
    CONSTRAINT retentions_records_digest_check CHECK ((records_digest ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT retentions_runs_check CHECK ((runs > 0)),
    CONSTRAINT retentions_usage_check CHECK ((usage >= (0)::numeric)),
    CONSTRAINT retentions_users_check CHECK ((users >= 0))
);
CREATE TABLE meterfold.runs (
    run_id bigint NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    temporal_address text NOT NULL,
    temporal_namespace text NOT NULL,
    workflow_id text NOT NULL,
    first_execution_run_id text NOT NULL,
    execution_run_id text NOT NULL,
    previous_run_id bigint,
    watermark bigint NOT NULL,
    seal_position bigint,
    sealed_end bigint,
    blocked_by jsonb,
    sealed_lsn pg_lsn,
    seal_id uuid,
    calls_per_cycle smallint NOT NULL,
    price_per_unit numeric NOT NULL,
    currency text NOT NULL,
    bad_calls text DEFAULT 'stop'::text NOT NULL,
    proof jsonb,
    calls bigint,
    users bigint,
    cycles bigint,
    usage numeric,
    billed_usage numeric,
    amount numeric,
    carried_in_calls bigint,
    carried_in_usage numeric,
    carried_out_calls bigint,
    carried_out_usage numeric,
    quarantined_calls bigint DEFAULT 0 NOT NULL,
    quarantined_usage numeric DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone,
    discarded_at timestamp with time zone,
    discard_reason text,
    reverted_at timestamp with time zone,
    revert_reason text,
    published_xid xid8,
    row_digest bigint,
    CONSTRAINT runs_amount_check CHECK (((state <> ALL (ARRAY['published'::text, 'reverted'::text])) OR (amount = meterfold.amount_of(billed_usage, price_per_unit)))),
    CONSTRAINT runs_bad_calls_check CHECK ((bad_calls = ANY (ARRAY['stop'::text, 'quarantine'::text]))),
    CONSTRAINT runs_calls_check CHECK (((state <> ALL (ARRAY['published'::text, 'reverted'::text])) OR ((carried_in_calls + calls) = ((calls_per_cycle * cycles) + carried_out_calls)))),
    CONSTRAINT runs_calls_per_cycle_check CHECK (((calls_per_cycle >= 1) AND (calls_per_cycle <= 1000))),
    CONSTRAINT runs_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT runs_discarded_at_check CHECK (((state = 'discarded'::text) = (discarded_at IS NOT NULL))),
    CONSTRAINT runs_price_per_unit_check CHECK (((price_per_unit >= (0)::numeric) AND (scale(price_per_unit) <= 12))),
    CONSTRAINT runs_proof_check CHECK (((state <> ALL (ARRAY['published'::text, 'reverted'::text])) OR ((sealed_end IS NOT NULL) AND (proof IS NOT NULL) AND (cycles IS NOT NULL)))),
    CONSTRAINT runs_published_at_check CHECK (((state = ANY (ARRAY['published'::text, 'reverted'::text])) = (published_at IS NOT NULL))),
    CONSTRAINT runs_quarantined_calls_check CHECK ((quarantined_calls >= 0)),
    CONSTRAINT runs_reverted_at_check CHECK (((state = 'reverted'::text) = ((reverted_at IS NOT NULL) AND (revert_reason IS NOT NULL)))),
    CONSTRAINT runs_seal_position_check CHECK ((seal_position >= watermark)),
    CONSTRAINT runs_sealed_end_check CHECK ((sealed_end >= watermark)),
    CONSTRAINT runs_state_check CHECK ((state = ANY (ARRAY['active'::text, 'published'::text, 'discarded'::text, 'reverted'::text]))),
    CONSTRAINT runs_usage_check CHECK (((state <> ALL (ARRAY['published'::text, 'reverted'::text])) OR ((carried_in_usage + usage) = (billed_usage + carried_out_usage)))),
    CONSTRAINT runs_watermark_check CHECK ((watermark >= 0))
);
ALTER TABLE meterfold.runs ALTER COLUMN run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME meterfold.runs_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE meterfold.seals (
    seal_position bigint NOT NULL,
    holders jsonb NOT NULL,
    sealed_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE UNLOGGED TABLE meterfold.segments (
    run_id bigint NOT NULL,
    partition integer NOT NULL,
    spill integer NOT NULL,
    page integer NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT segments_data_check CHECK ((octet_length(data) <= 8064))
);
ALTER TABLE ONLY meterfold.segments ALTER COLUMN data SET STORAGE PLAIN;
CREATE UNLOGGED TABLE meterfold.spills (
    run_id bigint NOT NULL,
    partition integer NOT NULL,
    spill integer NOT NULL,
    base_position bigint NOT NULL,
    bucket_index bytea NOT NULL
);
ALTER TABLE ONLY meterfold.spills ALTER COLUMN bucket_index SET STORAGE EXTERNAL;
CREATE TABLE meterfold.tasks (
    run_id bigint NOT NULL,
    kind text NOT NULL,
    number integer NOT NULL,
    first_position bigint,
    last_position bigint,
    first_bucket integer,
    end_bucket integer,
    outcome jsonb,
    worker text,
    attempt integer,
    finished_at timestamp with time zone,
    CONSTRAINT tasks_buckets_check CHECK (((kind <> 'reduce'::text) OR ((first_bucket >= 0) AND (first_bucket < end_bucket) AND (end_bucket <= 4096)))),
    CONSTRAINT tasks_finished_at_check CHECK (((outcome IS NULL) = (finished_at IS NULL))),
    CONSTRAINT tasks_kind_check CHECK ((kind = ANY (ARRAY['map'::text, 'reduce'::text, 'recount'::text]))),
    CONSTRAINT tasks_number_check CHECK ((number >= 0)),
    CONSTRAINT tasks_positions_check CHECK (((kind = 'reduce'::text) OR (first_position <= last_position)))
);
CREATE TABLE public.api_logs (
    id bigint NOT NULL,
    usage bigint,
    called_at timestamp with time zone,
    user_id text COLLATE pg_catalog."C",
    received_at timestamp with time zone DEFAULT now(),
    status integer,
    call_id text,
    endpoint text,
    method text
);
COMMENT ON TABLE public.api_logs IS 'One row per API call. meterfold bills calls in the order of id.';
COMMENT ON COLUMN public.api_logs.id IS 'Log position: the order in which calls were accepted. Gaps are normal.';
COMMENT ON COLUMN public.api_logs.usage IS 'Units that this call consumed, a whole number.';
COMMENT ON COLUMN public.api_logs.called_at IS 'When the call was made. It does not decide to which cycle the call belongs.';
ALTER TABLE public.api_logs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.api_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW public.billing_records AS
 SELECT packed.user_id,
    ((packed.first_cycle + cycle.index) - 1) AS cycle_number,
    (run.calls_per_cycle)::integer AS calls,
    meterfold.number_at(packed.usages, cycle.index) AS usage,
    meterfold.amount_of((meterfold.number_at(packed.usages, cycle.index))::numeric, run.price_per_unit) AS amount,
    run.currency,
    meterfold.number_at(packed.first_call_ids, cycle.index) AS first_call_id,
    meterfold.number_at(packed.last_call_ids, cycle.index) AS last_call_id,
    to_timestamp(((meterfold.number_at(packed.first_called_micros, cycle.index))::double precision / '1000000'::double precision)) AS first_called_at,
    to_timestamp(((meterfold.number_at(packed.last_called_micros, cycle.index))::double precision / '1000000'::double precision)) AS last_called_at,
    packed.run_id
   FROM ((ONLY meterfold.records packed
     JOIN meterfold.runs run ON (((run.run_id = packed.run_id) AND (run.state = 'published'::text))))
     CROSS JOIN LATERAL ( SELECT generate_series(1, (length((packed.usages)::"bit") / 64)) AS index
         LIMIT 96) cycle)
UNION ALL
 SELECT packed.user_id,
    ((packed.first_cycle + cycle.index) - 1) AS cycle_number,
    (run.calls_per_cycle)::integer AS calls,
    meterfold.number_at(packed.usages, cycle.index) AS usage,
    meterfold.amount_of((meterfold.number_at(packed.usages, cycle.index))::numeric, run.price_per_unit) AS amount,
    run.currency,
    meterfold.number_at(packed.first_call_ids, cycle.index) AS first_call_id,
    meterfold.number_at(packed.last_call_ids, cycle.index) AS last_call_id,
    to_timestamp(((meterfold.number_at(packed.first_called_micros, cycle.index))::double precision / '1000000'::double precision)) AS first_called_at,
    to_timestamp(((meterfold.number_at(packed.last_called_micros, cycle.index))::double precision / '1000000'::double precision)) AS last_called_at,
    run.run_id
   FROM ((meterfold.repacked_records packed
     CROSS JOIN LATERAL ( SELECT index.index,
            meterfold.run_at(packed.run_ids, packed.run_starts, index.index) AS run_id
           FROM generate_series(1, (length((packed.usages)::"bit") / 64)) index(index)
         LIMIT 96) cycle)
     JOIN meterfold.runs run ON (((run.run_id = cycle.run_id) AND (run.state = 'published'::text) AND (meterfold.run_range(packed.run_ids, packed.run_id) @> run.run_id))));
COMMENT ON VIEW public.billing_records IS 'One row per closed billing cycle of a published run.';
CREATE VIEW public.open_cycles AS
 SELECT DISTINCT ON (open_cycle.user_id) open_cycle.user_id,
    open_cycle.next_cycle AS next_cycle_number,
    (open_cycle.calls)::integer AS calls,
    open_cycle.usage
   FROM (meterfold.open_cycles open_cycle
     JOIN meterfold.runs run ON (((run.run_id = open_cycle.run_id) AND (run.state = 'published'::text))))
  ORDER BY open_cycle.user_id, open_cycle.run_id DESC;
COMMENT ON VIEW public.open_cycles IS 'Each user''s open cycle: the last calls, which are not billed yet.';
CREATE VIEW public.quarantined_calls AS
 SELECT quarantined.log_position AS id,
    quarantined.usage,
    quarantined.reason,
    quarantined.run_id
   FROM (meterfold.quarantine quarantined
     JOIN meterfold.runs run ON (((run.run_id = quarantined.run_id) AND (run.state = 'published'::text))));
COMMENT ON VIEW public.quarantined_calls IS 'Calls up to the watermark that cannot be billed, with the reason.';
INSERT INTO meterfold.chain VALUES
	(1, 'discarded', 1, -5540937443469378578, '\xbfac7e94bb5cbf35e95b2640280a53ec4fca5c08005dc993ef4e2a982d6e5850'),
	(2, 'published', 2, -9078316921132779529, '\x0b438bf9cffe5d369cf0c227e4355b3c8004df72cf910513b932d6398b51dff3'),
	(3, 'published', 3, 8320958301408959140, '\xa32cb276cf7934262b2de8ce6db148fda5d68fed8849a4443bd714e42b079885'),
	(4, 'published', 4, -7978078066770114931, '\x407c523150a67e1ae68e820ee5d5c52b3b053fabd8da9815e1392b10179996d7'),
	(5, 'published', 5, 4092554597271738977, '\x95cdf9c1c4b93db1ac2a3cfa1b8a5988e5fb9c2d4ae024f4c86774541843ebac'),
	(6, 'published', 6, 2637072011466865314, '\x366a98fcad0074623feb48f55d0c8fdfaa642011fec97a4eda869b4e94a84957'),
	(7, 'published', 7, -3706488362332192546, '\x141dbc0efb0c39582bbb1ee49b461ff724bf70b0f2cf87a2143931c7f48b8fe3'),
	(8, 'published', 8, -202225422941743077, '\xc3a7eace735c448d5294caf5870ac4a41b51780272eef0daa9eeae1fe62753e8'),
	(9, 'published', 9, -4777017935402178532, '\x02dd7727da0d1d27ff76d4b6e1bb5f956727517f5130cb8b964cb73eb11d5348'),
	(10, 'reverted', 9, 7383244969688301902, '\x1df80f0407424714c4a68e77bb7bc5a9911f31250e4eb69bc3301f4a4e26c2f5'),
	(11, 'published', 10, -2450322118103035575, '\x0f4aa4f0f4f41c4a2d11a00eaf5054bfb037ad0248aa75987a158e6d949e7b17'),
	(12, 'retained', 2, -6570926682692211599, '\xe0895078424be34928bb3c93a61bbca469611f6af10ccbb0978f4f627e2d4b54');
INSERT INTO meterfold.chain_head VALUES
	(true, 12, '\xe0895078424be34928bb3c93a61bbca469611f6af10ccbb0978f4f627e2d4b54', 10);
INSERT INTO meterfold.installation VALUES
	('ef9b56f4-0294-4efb-8cc1-1ec818799a00', true);
INSERT INTO meterfold.migrations VALUES
	(1, '0001-log', '1c31df1604fccb02be01e6be207674623ccb068f0a6eb8dd3d14435d1833a8d0', NULL, '0.1.0', '2026-11-30 13:05:24.132187+00'),
	(2, '0002-runs', '09c678ee3e53eda77c5e7045c63d505d576d5b4ab3bbae00e93bce7fe5cb1d84', NULL, '0.1.0', '2026-11-30 13:05:24.212233+00'),
	(3, '0003-records', 'bd74aeb22cd277ece2354d28f47a7b8aff5c42bda3ae52bcd39610b848623252', NULL, '0.1.0', '2026-11-30 13:05:24.306133+00'),
	(4, '0004-chain', 'faf45569107f92471de380b2121b929710e33dbae83cd4bf12df22203488ee6b', NULL, '0.1.0', '2026-11-30 13:05:24.424214+00'),
	(5, '0005-log-guard', '29703fde9a1900c32f74e2f806095444f13caa8f108e5146ca6f19cf322830fd', NULL, '0.1.0', '2026-11-30 13:05:24.519098+00');
INSERT INTO meterfold.open_cycles VALUES
	(2, 1, 2691, 9, '2026-10-01 00:00:00.225+00', 4, 'user-27'),
	(2, 2, 243, 222, '2026-10-01 00:00:05.55+00', 2, 'user-29'),
	(2, 2, 0, NULL, NULL, 0, 'user-36'),
	(2, 1, 1931, 111, '2026-10-01 00:00:02.775+00', 4, 'user-24'),
	(2, 2, 2130, 175, '2026-10-01 00:00:04.375+00', 3, 'user-8'),
	(2, 1, 1798, 70, '2026-10-01 00:00:01.75+00', 3, 'user-14'),
	(2, 2, 2647, 255, '2026-10-01 00:00:06.375+00', 3, 'user-28'),
	(2, 2, 931, 288, '2026-10-01 00:00:07.2+00', 1, 'user-21'),
	(2, 1, 419, 49, '2026-10-01 00:00:01.225+00', 2, 'user-39'),
	(2, 1, 1885, 75, '2026-10-01 00:00:01.875+00', 4, 'user-11'),
	(2, 1, 703, 274, '2026-10-01 00:00:06.85+00', 1, 'user-37'),
	(2, 1, 129, 55, '2026-10-01 00:00:01.375+00', 1, 'user-20'),
	(2, 1, 1015, 79, '2026-10-01 00:00:01.975+00', 4, 'user-35'),
	(2, 3, 992, 265, '2026-10-01 00:00:06.625+00', 1, 'user-7'),
	(2, 1, 437, 95, '2026-10-01 00:00:02.375+00', 2, 'user-32'),
	(2, 2, 547, 203, '2026-10-01 00:00:05.075+00', 2, 'user-15'),
	(2, 1, 622, 6, '2026-10-01 00:00:00.15+00', 2, 'user-17'),
	(2, 2, 1442, 248, '2026-10-01 00:00:06.2+00', 3, 'user-5'),
	(2, 1, 1718, 56, '2026-10-01 00:00:01.4+00', 3, 'user-13'),
	(2, 1, 1982, 106, '2026-10-01 00:00:02.65+00', 4, 'user-34'),
	(2, 1, 1065, 183, '2026-10-01 00:00:04.575+00', 2, 'user-25'),
	(2, 1, 1478, 37, '2026-10-01 00:00:00.925+00', 2, 'user-30'),
	(2, 1, 842, 139, '2026-10-01 00:00:03.475+00', 2, 'user-23'),
	(2, 2, 0, NULL, NULL, 0, 'user-12'),
	(2, 2, 336, 235, '2026-10-01 00:00:05.875+00', 2, 'user-10'),
	(2, 1, 1140, 188, '2026-10-01 00:00:04.7+00', 4, 'user-19'),
	(2, 2, 0, NULL, NULL, 0, 'user-26'),
	(2, 2, 45, 266, '2026-10-01 00:00:06.65+00', 1, 'user-31'),
	(2, 2, 0, NULL, NULL, 0, 'user-16'),
	(2, 1, 480, 294, '2026-10-01 00:00:07.35+00', 2, 'user-33'),
	(2, 3, 1823, 256, '2026-10-01 00:00:06.4+00', 4, 'user-4'),
	(2, 1, 1367, 2, '2026-10-01 00:00:00.05+00', 3, 'user-18'),
	(2, 2, 1482, 243, '2026-10-01 00:00:06.075+00', 2, 'user-9'),
	(2, 2, 1678, 117, '2026-10-01 00:00:02.925+00', 4, 'user-6'),
	(2, 1, 866, 149, '2026-10-01 00:00:03.725+00', 3, 'user-38'),
	(8, 9, 576, 421, '2026-10-01 00:00:00.025+00', 1, 'user-3'),
	(8, 24, 9, 440, '2026-10-01 00:00:00.5+00', 1, 'user-0'),
	(8, 10, 0, NULL, NULL, 0, 'user-2'),
	(8, 14, 2272, 438, '2026-10-01 00:00:00.45+00', 4, 'user-1'),
	(10, 1, 1853, 470, '2026-10-01 00:00:00.65+00', 3, 'back\slash \N \.'),
	(10, 1, 943, 451, '2026-10-01 00:00:00.175+00', 1, '0'),
	(10, 1, 82, 472, '2026-10-01 00:00:00.7+00', 1, '	'),
	(10, 1, 890, 482, '2026-10-01 00:00:00.95+00', 1, 'Robert''); drop table api_logs; --'),
	(10, 1, 1522, 469, '2026-10-01 00:00:00.625+00', 3, 'a'),
	(10, 1, 462, 465, '2026-10-01 00:00:00.525+00', 1, '$1 %s $(x)'),
	(10, 1, 785, 448, '2026-10-01 00:00:00.1+00', 1, 'Zoë'),
	(10, 1, 2162, 453, '2026-10-01 00:00:00.225+00', 3, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
	(10, 1, 1179, 481, '2026-10-01 00:00:00.925+00', 2, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
	(10, 1, 2016, 454, '2026-10-01 00:00:00.25+00', 3, 'line
break'),
	(10, 2, 0, NULL, NULL, 0, '􏿿'),
	(10, 1, 129, 499, '2026-10-01 00:00:01.375+00', 1, 'NULL'),
	(10, 1, 1000, 464, '2026-10-01 00:00:00.5+00', 2, 'éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé'),
	(10, 1, 255, 446, '2026-10-01 00:00:00.05+00', 2, 'null'),
	(10, 1, 553, 491, '2026-10-01 00:00:01.175+00', 2, ' '),
	(10, 2, 0, NULL, NULL, 0, '{array,literal}'),
	(10, 1, 1608, 452, '2026-10-01 00:00:00.2+00', 3, 'Ελληνικά'),
	(10, 1, 1765, 455, '2026-10-01 00:00:00.275+00', 3, '{"json": [1]}'),
	(10, 1, 533, 500, '2026-10-01 00:00:01.4+00', 1, '￿'),
	(10, 1, 597, 445, '2026-10-01 00:00:00.025+00', 1, 'a
'),
	(10, 1, 737, 462, '2026-10-01 00:00:00.45+00', 2, '"quoted", ''both'' ways'),
	(10, 1, 1781, 447, '2026-10-01 00:00:00.075+00', 3, '﻿bom'),
	(10, 1, 294, 475, '2026-10-01 00:00:00.775+00', 1, '漢字かな'),
	(10, 1, 941, 460, '2026-10-01 00:00:00.4+00', 2, 'a '),
	(10, 1, 440, 449, '2026-10-01 00:00:00.125+00', 2, '-1'),
	(10, 1, 961, 461, '2026-10-01 00:00:00.425+00', 2, '👩‍👩‍👧‍👦'),
	(10, 1, 126, 486, '2026-10-01 00:00:01.05+00', 1, '‮right to left'),
	(10, 1, 868, 458, '2026-10-01 00:00:00.35+00', 1, 'Zoë'),
	(10, 1, 281, 480, '2026-10-01 00:00:00.9+00', 2, '😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀');
INSERT INTO meterfold.quarantine VALUES
	(2, 7, -7, 'usage must be a number from 0 to 10^15'),
	(2, 107, -107, 'usage must be a number from 0 to 10^15'),
	(2, 207, -207, 'usage must be a number from 0 to 10^15');
INSERT INTO meterfold.records VALUES
	(2, 1, 'user-29', B'0000000000000000000000000000000000000000000000000000100011011111', B'0000000000000000000000000000000000000000000000000000000001010001', B'0000000000000000000000000000000000000000000000000000000010100010', B'0000000000000110010111001011110000011000111011001000011000101000', B'0000000000000110010111001011110000011001000010110110110001010000'),
	(2, 1, 'user-36', B'0000000000000000000000000000000000000000000000000000010010010001', B'0000000000000000000000000000000000000000000000000000000000010100', B'0000000000000000000000000000000000000000000000000000000011100011', B'0000000000000110010111001011110000011000110101010100000100100000', B'0000000000000110010111001011110000011001001001000011011111111000'),
	(2, 1, 'user-8', B'0000000000000000000000000000000000000000000000000000100011100001', B'0000000000000000000000000000000000000000000000000000000000000011', B'0000000000000000000000000000000000000000000000000000000001110100', B'0000000000000110010111001011110000011000110011101100010011111000', B'0000000000000110010111001011110000011000111110011110000000100000'),
	(2, 1, 'user-28', B'0000000000000000000000000000000000000000000000000000101101100111', B'0000000000000000000000000000000000000000000000000000000000111101', B'0000000000000000000000000000000000000000000000000000000011101000', B'0000000000000110010111001011110000011000111001001110010100001000', B'0000000000000110010111001011110000011001001001100010000001000000'),
	(2, 1, 'user-21', B'0000000000000000000000000000000000000000000000000000110110010101', B'0000000000000000000000000000000000000000000000000000000001110001', B'0000000000000000000000000000000000000000000000000000000011101110', B'0000000000000110010111001011110000011000111110001011101100101000', B'0000000000000110010111001011110000011001001010000110101000110000'),
	(2, 1, 'user-7', B'00000000000000000000000000000000000000000000000000001001011011110000000000000000000000000000000000000000000000000000100100011110', B'00000000000000000000000000000000000000000000000000000000000100010000000000000000000000000000000000000000000000000000000010100100', B'00000000000000000000000000000000000000000000000000000000100011100000000000000000000000000000000000000000000000000000000011111011', B'00000000000001100101110010111100000110001101010000011100001010000000000000000110010111001011110000011001000011000010111110100000', B'00000000000001100101110010111100000110010000001111001011001100000000000000000110010111001011110000011001001011010101111110111000'),
	(2, 1, 'user-15', B'0000000000000000000000000000000000000000000000000000100010101100', B'0000000000000000000000000000000000000000000000000000000000010111', B'0000000000000000000000000000000000000000000000000000000010110000', B'0000000000000110010111001011110000011000110101100110011000011000', B'0000000000000110010111001011110000011001000100001100001110000000'),
	(2, 1, 'user-5', B'0000000000000000000000000000000000000000000000000000101000100011', B'0000000000000000000000000000000000000000000000000000000000011111', B'0000000000000000000000000000000000000000000000000000000011010110', B'0000000000000110010111001011110000011000110110010111001101011000', B'0000000000000110010111001011110000011001000111110100001001110000'),
	(2, 1, 'user-12', B'0000000000000000000000000000000000000000000000000000101111000001', B'0000000000000000000000000000000000000000000000000000000001010011', B'0000000000000000000000000000000000000000000000000000000100010110', B'0000000000000110010111001011110000011000111011010100100101111000', B'0000000000000110010111001011110000011001001101111010110001110000'),
	(2, 1, 'user-10', B'0000000000000000000000000000000000000000000000000000011001111000', B'0000000000000000000000000000000000000000000000000000000000101010', B'0000000000000000000000000000000000000000000000000000000011100000', B'0000000000000110010111001011110000011000110111011010010110010000', B'0000000000000110010111001011110000011001001000110001001100000000'),
	(2, 1, 'user-26', B'0000000000000000000000000000000000000000000000000000100110000100', B'0000000000000000000000000000000000000000000000000000000000000101', B'0000000000000000000000000000000000000000000000000000000011010100', B'0000000000000110010111001011110000011000110011111000100001001000', B'0000000000000110010111001011110000011001000111100111111100100000'),
	(2, 1, 'user-31', B'0000000000000000000000000000000000000000000000000000100101101001', B'0000000000000000000000000000000000000000000000000000000000101000', B'0000000000000000000000000000000000000000000000000000000011110001', B'0000000000000110010111001011110000011000110111001110001001000000', B'0000000000000110010111001011110000011001001010011000111100101000'),
	(2, 1, 'user-16', B'0000000000000000000000000000000000000000000000000000110000001010', B'0000000000000000000000000000000000000000000000000000000000011000', B'0000000000000000000000000000000000000000000000000000000100100011', B'0000000000000110010111001011110000011000110101101100011111000000', B'0000000000000110010111001011110000011001001111001010000111111000'),
	(2, 1, 'user-4', B'00000000000000000000000000000000000000000000000000001010011100010000000000000000000000000000000000000000000000000000110001111010', B'00000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000010000100', B'00000000000000000000000000000000000000000000000000000000011110110000000000000000000000000000000000000000000000000000000011101101', B'00000000000001100101110010111100000110001101000010101101010000000000000000000110010111001011110000011000111111111111101010100000', B'00000000000001100101110010111100000110001111110010001011101110000000000000000110010111001011110000011001001010000000100010001000'),
	(2, 1, 'user-9', B'0000000000000000000000000000000000000000000000000000100111110011', B'0000000000000000000000000000000000000000000000000000000000111001', B'0000000000000000000000000000000000000000000000000000000011011001', B'0000000000000110010111001011110000011000111000110101111001101000', B'0000000000000110010111001011110000011001001000000110011101101000'),
	(2, 1, 'user-6', B'0000000000000000000000000000000000000000000000000000010111001010', B'0000000000000000000000000000000000000000000000000000000001000000', B'0000000000000000000000000000000000000000000000000000000001110011', B'0000000000000110010111001011110000011000111001100000101000000000', B'0000000000000110010111001011110000011000111110010111111001111000'),
	(10, 1, '􏿿', B'0000000000000000000000000000000000000000000000000000101001000110', B'0000000000000000000000000000000000000000000000000000000111010011', B'0000000000000000000000000000000000000000000000000000000111101110', B'0000000000000110010111001011110000011000110101100110011000011000', B'0000000000000110010111001011110000011000111000001011001011010000'),
	(10, 1, '{array,literal}', B'0000000000000000000000000000000000000000000000000000011110000110', B'0000000000000000000000000000000000000000000000000000000111001001', B'0000000000000000000000000000000000000000000000000000000111110110', B'0000000000000110010111001011110000011000110100101001010110001000', B'0000000000000110010111001011110000011000111000111100000000010000');
INSERT INTO meterfold.repacked_records VALUES
	(8, 1, 'user-0', B'00000000000000000000000000000000000000000000000000001100000100100000000000000000000000000000000000000000000000000000101111000011000000000000000000000000000000000000000000000000000001001101010100000000000000000000000000000000000000000000000000001001101010000000000000000000000000000000000000000000000000000000101000011011000000000000000000000000000000000000000000000000000010010101111000000000000000000000000000000000000000000000000000001011100110110000000000000000000000000000000000000000000000000000101100011011000000000000000000000000000000000000000000000000000010100110010100000000000000000000000000000000000000000000000000001010101100010000000000000000000000000000000000000000000000000000101100110101000000000000000000000000000000000000000000000000000011111000000000000000000000000000000000000000000000000000000000001100011100110000000000000000000000000000000000000000000000000000100000000010000000000000000000000000000000000000000000000000000010010010000000000000000000000000000000000000000000000000000000001010000011010000000000000000000000000000000000000000000000000000100010100000000000000000000000000000000000000000000000000000000001101011000000000000000000000000000000000000000000000000000000000111101100110000000000000000000000000000000000000000000000000000011111101110000000000000000000000000000000000000000000000000000001111100000000000000000000000000000000000000000000000000000000001001101101110000000000000000000000000000000000000000000000000000100101011000', B'00000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000011011000000000000000000000000000000000000000000000000000000000010011100000000000000000000000000000000000000000000000000000000010000110000000000000000000000000000000000000000000000000000000001010100000000000000000000000000000000000000000000000000000000000110010000000000000000000000000000000000000000000000000000000000011101100000000000000000000000000000000000000000000000000000000010001010000000000000000000000000000000000000000000000000000000001001011000000000000000000000000000000000000000000000000000000000101010000000000000000000000000000000000000000000000000000000000011000011000000000000000000000000000000000000000000000000000000001101000100000000000000000000000000000000000000000000000000000000110111110000000000000000000000000000000000000000000000000000000011100111000000000000000000000000000000000000000000000000000000001111101000000000000000000000000000000000000000000000000000000001000011100000000000000000000000000000000000000000000000000000000100011110000000000000000000000000000000000000000000000000000000010011010000000000000000000000000000000000000000000000000000000001010011010000000000000000000000000000000000000000000000000000000101100001000000000000000000000000000000000000000000000000000000010111110100000000000000000000000000000000000000000000000000000001100010110000000000000000000000000000000000000000000000000000000110101000', B'00000000000000000000000000000000000000000000000000000000000110010000000000000000000000000000000000000000000000000000000000100110000000000000000000000000000000000000000000000000000000000011110000000000000000000000000000000000000000000000000000000000010100000000000000000000000000000000000000000000000000000000000001100000000000000000000000000000000000000000000000000000000000000110111000000000000000000000000000000000000000000000000000000000100000110000000000000000000000000000000000000000000000000000000010010100000000000000000000000000000000000000000000000000000000001010000100000000000000000000000000000000000000000000000000000000110000000000000000000000000000000000000000000000000000000000000011001100000000000000000000000000000000000000000000000000000000001101110000000000000000000000000000000000000000000000000000000000111001100000000000000000000000000000000000000000000000000000000011110111000000000000000000000000000000000000000000000000000000010000100000000000000000000000000000000000000000000000000000000001000110100000000000000000000000000000000000000000000000000000000100110000000000000000000000000000000000000000000000000000000000010100010000000000000000000000000000000000000000000000000000000001011000000000000000000000000000000000000000000000000000000000000101110000000000000000000000000000000000000000000000000000000000011000100100000000000000000000000000000000000000000000000000000001101001110000000000000000000000000000000000000000000000000000000110110100', B'00000000000001100101110010111100000110001100111000000001101010000000000000000110010111001011110000011000110101111110110010111000000000000000011001011100101111000001100011011100100000001001100000000000000001100101110010111100000110001110011100101110111110000000000000000110010111001011110000011000111011011010101100100000000000000000011001011100101111000001100011110011110001011010000000000000000001100101110010111100000110001111101010100011011100000000000000000110010111001011110000011001000000100100010010010000000000000000011001011100101111000001100100000110110110000111000000000000000001100101110010111100000110010000110110110110010000000000000000000110010111001011110000011001000110000000001011111000000000000000011001011100101111000001100100011101010110100010100000000000000001100101110010111100000110010010001010110001010110000000000000000110010111001011110000011001001001011011111010011000000000000000011001011100101111000001100100101100111111100001000000000000000001100101110010111100000110010011010010011111001100000000000000000110010111001011110000011001001110101011100110110000000000000000011001011100101111000001100011010000101011010100000000000000000001100101110010111100000110001101000100001110111010000000000000000110010111001011110000011000110011111000100001001000000000000000011001011100101111000001100011010001000011101110100000000000000001100101110010111100000110001101011001100110000110000000000000000110010111001011110000011000110011110010011010100000', B'00000000000001100101110010111100000110001101011100101001011010000000000000000110010111001011110000011000110111000001111011110000000000000000011001011100101111000001100011100100100000110110000000000000000001100101110010111100000110001110110000100100100000000000000000000110010111001011110000011000111100100011111100000000000000000000011001011100101111000001100011110111100101100011000000000000000001100101110010111100000110001111111110011000111110000000000000000110010111001011110000011001000001100001010100100000000000000000011001011100101111000001100100001011000010101010100000000000000001100101110010111100000110010001011011011110000000000000000000000110010111001011110000011001000110110111000111100000000000000000011001011100101111000001100100100001100011000110000000000000000001100101110010111100000110010010010101011100111100000000000000000110010111001011110000011001001010111101100100011000000000000000011001011100101111000001100100110010010101010100000000000000000001100101110010111100000110010011100100110011000100000000000000000110010111001011110000011000110011110010011010100000000000000000011001011100101111000001100011010110110001111100000000000000000001100101110010111100000110001100111100100110101000000000000000000110010111001011110000011000110101010100000100100000000000000000011001011100101111000001100011010101101000101100100000000000000001100101110010111100000110001100111011000100111110000000000000000110010111001011110000011000110100111011101010000000', B'00000000000000000000000000000000000000000000000000000000000000100000000000000000000000000000000000000000000000000000000000000011000000000000000000000000000000000000000000000000000000000000010100000000000000000000000000000000000000000000000000000000000001100000000000000000000000000000000000000000000000000000000000001000', B'10000000000000001010110'),
	(8, 1, 'user-1', B'0000000000000000000000000000000000000000000000000000100111100001000000000000000000000000000000000000000000000000000010101011101100000000000000000000000000000000000000000000000000001000110101110000000000000000000000000000000000000000000000000000100100000111000000000000000000000000000000000000000000000000000010011000110100000000000000000000000000000000000000000000000000000011101100000000000000000000000000000000000000000000000000000000101010001010000000000000000000000000000000000000000000000000000001100010001100000000000000000000000000000000000000000000000000001010000011100000000000000000000000000000000000000000000000000000110111001100000000000000000000000000000000000000000000000000000010011100011100000000000000000000000000000000000000000000000000001000100101100000000000000000000000000000000000000000000000000000100100110011', B'0000000000000000000000000000000000000000000000000000000000001011000000000000000000000000000000000000000000000000000000000010110000000000000000000000000000000000000000000000000000000000010001000000000000000000000000000000000000000000000000000000000001101000000000000000000000000000000000000000000000000000000000001011001000000000000000000000000000000000000000000000000000000001000111000000000000000000000000000000000000000000000000000000000100111110000000000000000000000000000000000000000000000000000000010101001100000000000000000000000000000000000000000000000000000001011000100000000000000000000000000000000000000000000000000000000101110101000000000000000000000000000000000000000000000000000000011000010000000000000000000000000000000000000000000000000000000001100101010000000000000000000000000000000000000000000000000000000110100100', B'0000000000000000000000000000000000000000000000000000000000101001000000000000000000000000000000000000000000000000000000000011101000000000000000000000000000000000000000000000000000000000010111100000000000000000000000000000000000000000000000000000000010101101000000000000000000000000000000000000000000000000000000001100010100000000000000000000000000000000000000000000000000000001001111000000000000000000000000000000000000000000000000000000000101001100000000000000000000000000000000000000000000000000000000010101110000000000000000000000000000000000000000000000000000000001011100110000000000000000000000000000000000000000000000000000000101111100000000000000000000000000000000000000000000000000000000011000110000000000000000000000000000000000000000000000000000000001100111110000000000000000000000000000000000000000000000000000000110110101', B'0000000000000110010111001011110000011000110100011101001000111000000000000000011001011100101111000001100011011110011010001110000000000000000001100101110010111100000110001110011110010000101000000000000000000110010111001011110000011000111101010100110001000000000000000000011001011100101111000001100100010001100001101101000000000000000001100101110010111100000110010011100111110110011000000000000000000110010111001011110000011000110101000111110111010000000000000000011001011100101111000001100011010011010110001101100000000000000001100101110010111100000110001100111111101001111100000000000000000110010111001011110000011000110011100000000110101000000000000000011001011100101111000001100011010011101110101000000000000000000001100101110010111100000110001101000100001110111010000000000000000110010111001011110000011000110101101100011111000000', B'0000000000000110010111001011110000011000110111010100001111101000000000000000011001011100101111000001100011100011110000000001000000000000000001100101110010111100000110001111000101111011101100000000000000000110010111001011110000011001000011111001111010001000000000000000011001011100101111000001100100011000110001100100100000000000000001100101110010111100000110001101001110111010100000000000000000000110010111001011110000011000110100001010110101000000000000000000011001011100101111000001100011010110110001111100000000000000000001100101110010111100000110001101011001100110000110000000000000000110010111001011110000011000110100001010110101000000000000000000011001011100101111000001100011010110110001111100000000000000000001100101110010111100000110001101010011011111011110000000000000000110010111001011110000011000110101000001110000101000', B'0000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000001100000000000000000000000000000000000000000000000000000000000001000000000000000000000000000000000000000000000000000000000000000101000000000000000000000000000000000000000000000000000000000000011000000000000000000000000000000000000000000000000000000000000001110000000000000000000000000000000000000000000000000000000000001000', B'1000011011011'),
	(8, 1, 'user-2', B'000000000000000000000000000000000000000000000000000010001000110100000000000000000000000000000000000000000000000000001110011100110000000000000000000000000000000000000000000000000000101100101110000000000000000000000000000000000000000000000000000010001101110100000000000000000000000000000000000000000000000000001011000011110000000000000000000000000000000000000000000000000000100011011111000000000000000000000000000000000000000000000000000010011101100000000000000000000000000000000000000000000000000000001011000101100000000000000000000000000000000000000000000000000000101111011110', B'000000000000000000000000000000000000000000000000000000000001010100000000000000000000000000000000000000000000000000000000101100110000000000000000000000000000000000000000000000000000000100110110000000000000000000000000000000000000000000000000000000010100001100000000000000000000000000000000000000000000000000000001010110110000000000000000000000000000000000000000000000000000000101101010000000000000000000000000000000000000000000000000000000011000001100000000000000000000000000000000000000000000000000000001101000100000000000000000000000000000000000000000000000000000000110101101', B'000000000000000000000000000000000000000000000000000000001001001000000000000000000000000000000000000000000000000000000001001011110000000000000000000000000000000000000000000000000000000101000000000000000000000000000000000000000000000000000000000000010101000100000000000000000000000000000000000000000000000000000001011010010000000000000000000000000000000000000000000000000000000110000010000000000000000000000000000000000000000000000000000000011010000000000000000000000000000000000000000000000000000000000001101010100000000000000000000000000000000000000000000000000000000110111010', B'000000000000011001011100101111000001100011010101101000101100100000000000000001100101110010111100000110010001000111101000011110000000000000000110010111001011110000011000110100010111000010010000000000000000011001011100101111000001100011010110011001100001100000000000000001100101110010111100000110001101011001100110000110000000000000000110010111001011110000011000110100101111011100110000000000000000011001011100101111000001100011010011010110001101100000000000000001100101110010111100000110001101011000000100011100000000000000000110010111001011110000011000110100010000111011101000', B'000000000000011001011100101111000001100100000101010100011101000000000000000001100101110010111100000110001100111011000100111110000000000000000110010111001011110000011000110101010100000100100000000000000000011001011100101111000001100011010010100101011000100000000000000001100101110010111100000110001101001010010101100010000000000000000110010111001011110000011000110100101111011100110000000000000000011001011100101111000001100011010101010000010010000000000000000001100101110010111100000110001100111111101001111100000000000000000110010111001011110000011000110101100000010001110000', B'0000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000001100000000000000000000000000000000000000000000000000000000000001000000000000000000000000000000000000000000000000000000000000000101000000000000000000000000000000000000000000000000000000000000011000000000000000000000000000000000000000000000000000000000000001110000000000000000000000000000000000000000000000000000000000001000', B'110111110'),
	(7, 1, 'user-3', B'00000000000000000000000000000000000000000000000000001011100011110000000000000000000000000000000000000000000000000000110100000001000000000000000000000000000000000000000000000000000001100001100000000000000000000000000000000000000000000000000000001011111110100000000000000000000000000000000000000000000000000000110110100101000000000000000000000000000000000000000000000000000011001111101100000000000000000000000000000000000000000000000000001011111010010000000000000000000000000000000000000000000000000000101011000011', B'00000000000000000000000000000000000000000000000000000000000001000000000000000000000000000000000000000000000000000000000011111101000000000000000000000000000000000000000000000000000000010011001100000000000000000000000000000000000000000000000000000001010010110000000000000000000000000000000000000000000000000000000101011101000000000000000000000000000000000000000000000000000000010111001000000000000000000000000000000000000000000000000000000001100011010000000000000000000000000000000000000000000000000000000110010111', B'00000000000000000000000000000000000000000000000000000000100100110000000000000000000000000000000000000000000000000000000100110010000000000000000000000000000000000000000000000000000000010100100100000000000000000000000000000000000000000000000000000001010110000000000000000000000000000000000000000000000000000000000101101110000000000000000000000000000000000000000000000000000000011000100000000000000000000000000000000000000000000000000000000001100101000000000000000000000000000000000000000000000000000000000110100001', B'00000000000001100101110010111100000110001100111100100110101000000000000000000110010111001011110000011001001011100010001100001000000000000000011001011100101111000001100011010000010010111001100000000000000001100101110010111100000110001101000001001011100110000000000000000110010111001011110000011000110011100000000110101000000000000000011001011100101111000001100011010110000001000111000000000000000001100101110010111100000110001100111000000001101010000000000000000110010111001011110000011000110100011101001000111000', B'00000000000001100101110010111100000110010000010110110011011110000000000000000110010111001011110000011000110011111110100111110000000000000000011001011100101111000001100011001111100010000100100000000000000001100101110010111100000110001101010101000001001000000000000000000110010111001011110000011000110101000111110111010000000000000000011001011100101111000001100011010101010000010010000000000000000001100101110010111100000110001101000010101101010000000000000000000110010111001011110000011000110101011010001011001000', B'000000000000000000000000000000000000000000000000000000000000001000000000000000000000000000000000000000000000000000000000000000110000000000000000000000000000000000000000000000000000000000000100000000000000000000000000000000000000000000000000000000000000010100000000000000000000000000000000000000000000000000000000000001100000000000000000000000000000000000000000000000000000000000000111', B'11101110');
INSERT INTO meterfold.repacks OVERRIDING SYSTEM VALUE VALUES
	(1, 8, 53, 25, 4, '2026-11-30 13:05:34.755+00', '2026-11-30 13:05:34.790015+00');
INSERT INTO meterfold.retained_open_cycles VALUES
	(2, 1, 1885, 75, '2026-10-01 00:00:01.875+00', 4, 'user-11'),
	(2, 2, 1442, 248, '2026-10-01 00:00:06.2+00', 3, 'user-5'),
	(2, 2, 45, 266, '2026-10-01 00:00:06.65+00', 1, 'user-31'),
	(2, 1, 1367, 2, '2026-10-01 00:00:00.05+00', 3, 'user-18'),
	(2, 2, 1110, 253, '2026-10-01 00:00:06.325+00', 2, 'user-3'),
	(2, 1, 703, 274, '2026-10-01 00:00:06.85+00', 1, 'user-37'),
	(2, 1, 480, 294, '2026-10-01 00:00:07.35+00', 2, 'user-33'),
	(2, 1, 842, 139, '2026-10-01 00:00:03.475+00', 2, 'user-23'),
	(2, 2, 0, NULL, NULL, 0, 'user-12'),
	(2, 2, 3013, 179, '2026-10-01 00:00:04.475+00', 4, 'user-2'),
	(2, 1, 622, 6, '2026-10-01 00:00:00.15+00', 2, 'user-17'),
	(2, 2, 0, NULL, NULL, 0, 'user-36'),
	(2, 2, 2130, 175, '2026-10-01 00:00:04.375+00', 3, 'user-8'),
	(2, 17, 1931, 286, '2026-10-01 00:00:07.15+00', 4, 'user-0'),
	(2, 1, 419, 49, '2026-10-01 00:00:01.225+00', 2, 'user-39'),
	(2, 6, 599, 284, '2026-10-01 00:00:07.1+00', 2, 'user-1'),
	(2, 1, 437, 95, '2026-10-01 00:00:02.375+00', 2, 'user-32'),
	(2, 1, 1798, 70, '2026-10-01 00:00:01.75+00', 3, 'user-14'),
	(2, 2, 1482, 243, '2026-10-01 00:00:06.075+00', 2, 'user-9'),
	(2, 1, 1982, 106, '2026-10-01 00:00:02.65+00', 4, 'user-34'),
	(2, 1, 1015, 79, '2026-10-01 00:00:01.975+00', 4, 'user-35'),
	(2, 1, 2691, 9, '2026-10-01 00:00:00.225+00', 4, 'user-27'),
	(2, 1, 1478, 37, '2026-10-01 00:00:00.925+00', 2, 'user-30'),
	(2, 1, 1718, 56, '2026-10-01 00:00:01.4+00', 3, 'user-13'),
	(2, 3, 992, 265, '2026-10-01 00:00:06.625+00', 1, 'user-7'),
	(2, 2, 547, 203, '2026-10-01 00:00:05.075+00', 2, 'user-15'),
	(2, 1, 129, 55, '2026-10-01 00:00:01.375+00', 1, 'user-20'),
	(2, 2, 931, 288, '2026-10-01 00:00:07.2+00', 1, 'user-21'),
	(2, 1, 1931, 111, '2026-10-01 00:00:02.775+00', 4, 'user-24'),
	(2, 2, 243, 222, '2026-10-01 00:00:05.55+00', 2, 'user-29'),
	(2, 2, 1678, 117, '2026-10-01 00:00:02.925+00', 4, 'user-6'),
	(2, 1, 866, 149, '2026-10-01 00:00:03.725+00', 3, 'user-38'),
	(2, 1, 1140, 188, '2026-10-01 00:00:04.7+00', 4, 'user-19'),
	(2, 2, 2647, 255, '2026-10-01 00:00:06.375+00', 3, 'user-28'),
	(2, 3, 1823, 256, '2026-10-01 00:00:06.4+00', 4, 'user-4'),
	(2, 1, 1065, 183, '2026-10-01 00:00:04.575+00', 2, 'user-25'),
	(2, 2, 0, NULL, NULL, 0, 'user-26'),
	(2, 2, 336, 235, '2026-10-01 00:00:05.875+00', 2, 'user-10'),
	(2, 2, 0, NULL, NULL, 0, 'user-16');
INSERT INTO meterfold.retentions VALUES
	(2, 0, 300, NULL, '2026-10-01 00:00:07.5+00', 1, 297, 148111, 3, 41, '787d3805d325ce58', '6d93555f635fbcc1', '6e60e646c65740a4', 39, 92, 43517, 'a3d5eb23686c9022', '2026-11-30 13:05:35.7756+00');
INSERT INTO meterfold.runs OVERRIDING SYSTEM VALUE VALUES
	(4, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-072a9f83-54a6-4b68-9ce6-8154968f7e22', '01a22c8f-821d-72e2-a7bc-b721ee4329ed', '01a22c8f-821d-72e2-a7bc-b721ee4329ed', 3, 324, 348, 348, NULL, NULL, '1b17bee7-23d7-424d-85b5-a69afc0ac2cc', 5, 0.0004, 'USD', 'quarantine', '{"digest": "0106b0e48836eb1e", "touchedIn": {"calls": "6", "usage": "3476"}, "touchedOut": {"calls": "5", "usage": "1829"}}', 24, 4, 5, 9517, 11164, 4.4656, 86, 40340, 85, 38693, 0, 0, '2026-11-30 13:05:32.230802+00', '2026-11-30 13:05:32.580713+00', NULL, NULL, NULL, NULL, '787', -7978078066770114931),
	(1, 'discarded', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-369ef7ca-ad2e-4002-aadd-6b3b56188a1b', '01a22c8f-7a81-76dc-883f-5a61ccb11c61', '01a22c8f-7a81-76dc-883f-5a61ccb11c61', NULL, 0, 300, 300, NULL, NULL, '5a7a6c5c-f6e3-4681-8aca-c6caaefcebe3', 5, 0.0004, 'USD', 'stop', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, '2026-11-30 13:05:30.875079+00', NULL, '2026-11-30 13:05:31.179907+00', 'call 7 in public.api_logs: usage must be a number from 0 to 10^15', NULL, NULL, NULL, -5540937443469378578),
	(2, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-77f80761-64c3-4ea6-9524-b3cf0dd9e9ad', '01a22c8f-7e57-76f4-b090-62b1741ed216', '01a22c8f-7e57-76f4-b090-62b1741ed216', NULL, 0, 300, 300, NULL, NULL, '3314d213-060b-40b6-9546-0e3850456b36', 5, 0.0004, 'USD', 'quarantine', '{"digest": "787d3805d325ce58", "touchedIn": {"calls": "0", "usage": "0"}, "touchedOut": {"calls": "92", "usage": "43517"}}', 297, 39, 41, 148111, 104594, 41.8376, 0, 0, 92, 43517, 3, -321, '2026-11-30 13:05:31.247919+00', '2026-11-30 13:05:31.548584+00', NULL, NULL, NULL, NULL, '755', -9078316921132779529),
	(5, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-038f1890-68f0-45ed-9056-1db32481bffb', '01a22c8f-83c2-7a71-b6e2-d383036869ff', '01a22c8f-83c2-7a71-b6e2-d383036869ff', 4, 348, 372, 372, NULL, NULL, '7b59ab8a-62ca-4290-9515-a7ed88119e9d', 5, 0.0004, 'USD', 'quarantine', '{"digest": "7a8044569abc732f", "touchedIn": {"calls": "5", "usage": "1829"}, "touchedOut": {"calls": "4", "usage": "2212"}}', 24, 4, 5, 13282, 12899, 5.1596, 85, 38693, 84, 39076, 0, 0, '2026-11-30 13:05:32.648401+00', '2026-11-30 13:05:32.92442+00', NULL, NULL, NULL, NULL, '803', 4092554597271738977),
	(3, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-1cce24b9-6736-40a8-be58-0d2892a7c1ac', '01a22c8f-7fe3-742b-a141-748f2da30194', '01a22c8f-7fe3-742b-a141-748f2da30194', 2, 300, 324, 324, NULL, NULL, '8ddf6e00-9de6-4558-97ce-bef95bf15683', 5, 0.0004, 'USD', 'quarantine', '{"digest": "6a7195feca078237", "touchedIn": {"calls": "12", "usage": "6653"}, "touchedOut": {"calls": "6", "usage": "3476"}}', 24, 4, 6, 11577, 14754, 5.9016, 92, 43517, 86, 40340, 0, 0, '2026-11-30 13:05:31.649787+00', '2026-11-30 13:05:32.142167+00', NULL, NULL, NULL, NULL, '771', 8320958301408959140),
	(7, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-388c3a69-01eb-4b06-bfdc-1b9d0841afea', '01a22c8f-869d-7326-8d44-466aa105c4d8', '01a22c8f-869d-7326-8d44-466aa105c4d8', 6, 396, 420, 420, NULL, NULL, 'c4cf715a-268b-4c36-8042-a93385265a41', 5, 0.0004, 'USD', 'quarantine', '{"digest": "5b11ccad23d08e2c", "touchedIn": {"calls": "3", "usage": "1546"}, "touchedOut": {"calls": "7", "usage": "3782"}}', 24, 4, 4, 12758, 10522, 4.2088, 83, 38410, 87, 40646, 0, 0, '2026-11-30 13:05:33.482423+00', '2026-11-30 13:05:33.70929+00', NULL, NULL, NULL, NULL, '835', -3706488362332192546),
	(6, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-f6402d5c-9f69-42bf-8ec4-7a530ad319d0', '01a22c8f-852c-7a7b-9dbb-cf7135bb7c54', '01a22c8f-852c-7a7b-9dbb-cf7135bb7c54', 5, 372, 396, 396, NULL, NULL, '0c860bf1-5290-414e-8afc-2d4c5f8062fc', 5, 0.0004, 'USD', 'quarantine', '{"digest": "d76184fb12011bbe", "touchedIn": {"calls": "4", "usage": "2212"}, "touchedOut": {"calls": "3", "usage": "1546"}}', 24, 4, 5, 12947, 13613, 5.4452, 84, 39076, 83, 38410, 0, 0, '2026-11-30 13:05:33.049181+00', '2026-11-30 13:05:33.224638+00', NULL, NULL, NULL, NULL, '819', 2637072011466865314),
	(8, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-f0cf71d9-1c88-42c9-aa4e-0c4f2baf83d6', '01a22c8f-8829-7ebf-8640-14cff012aa3d', '01a22c8f-8829-7ebf-8640-14cff012aa3d', 7, 420, 444, 444, NULL, NULL, '6a511116-077b-40fe-838c-fc54e2ea7210', 5, 0.0004, 'USD', 'quarantine', '{"digest": "f3baf2379fa63900", "touchedIn": {"calls": "7", "usage": "3782"}, "touchedOut": {"calls": "6", "usage": "2857"}}', 24, 4, 5, 12185, 13110, 5.2440, 87, 40646, 86, 39721, 0, 0, '2026-11-30 13:05:33.777088+00', '2026-11-30 13:05:33.945027+00', NULL, NULL, NULL, NULL, '851', -202225422941743077),
	(9, 'reverted', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-91e22dc6-5994-4be0-967f-fa318e536124', '01a22c8f-890c-769b-b8a3-ce48ca17ec57', '01a22c8f-890c-769b-b8a3-ce48ca17ec57', 8, 444, 504, 504, NULL, NULL, '3a5545d3-2a1a-4ed3-8dfa-b3c182d79394', 5, 0.7, 'USD', 'quarantine', '{"digest": "3a62433d0409f509", "touchedIn": {"calls": "0", "usage": "0"}, "touchedOut": {"calls": "50", "usage": "24763"}}', 60, 29, 2, 29319, 4556, 3189.2, 86, 39721, 136, 64484, 0, 0, '2026-11-30 13:05:33.994321+00', '2026-11-30 13:05:34.033203+00', NULL, NULL, '2026-11-30 13:05:34.327528+00', 'wrong price', '863', 7383244969688301902),
	(10, 'published', '127.0.0.1:31045', 'test-eabb90b954e9', 'run-42aff2a4-8620-430e-b0a4-c1d44a282659', '01a22c8f-8aa0-7c73-8a30-0e753f4e84a0', '01a22c8f-8aa0-7c73-8a30-0e753f4e84a0', 8, 444, 504, 504, NULL, NULL, 'a327b024-ab4f-4131-90ba-084b7cc29ec3', 5, 0.0004, 'USD', 'quarantine', '{"digest": "3a62433d0409f509", "touchedIn": {"calls": "0", "usage": "0"}, "touchedOut": {"calls": "50", "usage": "24763"}}', 60, 29, 2, 29319, 4556, 1.8224, 86, 39721, 136, 64484, 0, 0, '2026-11-30 13:05:34.399676+00', '2026-11-30 13:05:34.457643+00', NULL, NULL, NULL, NULL, '875', -2450322118103035575);
INSERT INTO meterfold.tasks VALUES
	(2, 'map', 0, 1, 300, NULL, NULL, '{"calls": "297", "usage": "148111", "digest": "787d3805d325ce58", "spills": 1, "readFrom": "primary", "segmentBytes": 2794, "quarantinedCalls": "3", "quarantinedUsage": "-321"}', 'vm:5398', 1, '2026-11-30 13:05:31.321067+00'),
	(2, 'recount', 0, 1, 300, NULL, NULL, '{"calls": "300", "usage": "147790"}', 'vm:5398', 1, '2026-11-30 13:05:31.378136+00'),
	(2, 'reduce', 0, NULL, NULL, 0, 4096, '{"calls": "297", "usage": "148111", "users": "39", "cycles": "41", "digest": "787d3805d325ce58", "billedUsage": "104594", "carriedInCalls": "0", "carriedInUsage": "0", "carriedOutCalls": "92", "carriedOutUsage": "43517"}', 'vm:5398', 1, '2026-11-30 13:05:31.507797+00'),
	(3, 'map', 1, 313, 324, NULL, NULL, '{"calls": "12", "usage": "6250", "digest": "513302812b5c35c9", "spills": 1, "readFrom": "primary", "segmentBytes": 134, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:31.790866+00'),
	(3, 'map', 0, 301, 312, NULL, NULL, '{"calls": "12", "usage": "5327", "digest": "193e937d9eab4c6e", "spills": 1, "readFrom": "primary", "segmentBytes": 150, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:31.844867+00'),
	(3, 'recount', 0, 301, 324, NULL, NULL, '{"calls": "24", "usage": "11577"}', 'vm:5398', 1, '2026-11-30 13:05:31.945155+00'),
	(3, 'reduce', 0, NULL, NULL, 0, 2048, '{"calls": "18", "usage": "9483", "users": "3", "cycles": "5", "digest": "30db1e459aa914e9", "billedUsage": "13810", "carriedInCalls": "10", "carriedInUsage": "6054", "carriedOutCalls": "3", "carriedOutUsage": "1727"}', 'vm:5398', 1, '2026-11-30 13:05:31.986005+00'),
	(3, 'reduce', 1, NULL, NULL, 2048, 4096, '{"calls": "6", "usage": "2094", "users": "1", "cycles": "1", "digest": "399677b92f5e6d4e", "billedUsage": "944", "carriedInCalls": "2", "carriedInUsage": "599", "carriedOutCalls": "3", "carriedOutUsage": "1749"}', 'vm:5398', 1, '2026-11-30 13:05:32.078483+00'),
	(4, 'map', 0, 325, 336, NULL, NULL, '{"calls": "12", "usage": "4838", "digest": "d58e830fe13aa0e8", "spills": 1, "readFrom": "primary", "segmentBytes": 147, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:32.322272+00'),
	(4, 'map', 1, 337, 348, NULL, NULL, '{"calls": "12", "usage": "4679", "digest": "2b782dd4a6fc4a36", "spills": 1, "readFrom": "primary", "segmentBytes": 149, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:32.433163+00'),
	(4, 'recount', 0, 325, 348, NULL, NULL, '{"calls": "24", "usage": "9517"}', 'vm:5398', 1, '2026-11-30 13:05:32.462835+00'),
	(4, 'reduce', 1, NULL, NULL, 2048, 4096, '{"calls": "7", "usage": "2520", "users": "1", "cycles": "2", "digest": "d5cbce58852f8fa8", "billedUsage": "4269", "carriedInCalls": "3", "carriedInUsage": "1749", "carriedOutCalls": "0", "carriedOutUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:32.494835+00'),
	(4, 'reduce', 0, NULL, NULL, 0, 2048, '{"calls": "17", "usage": "6997", "users": "3", "cycles": "3", "digest": "2b3ae28c03075b76", "billedUsage": "6895", "carriedInCalls": "3", "carriedInUsage": "1727", "carriedOutCalls": "5", "carriedOutUsage": "1829"}', 'vm:5398', 1, '2026-11-30 13:05:32.526574+00'),
	(5, 'map', 0, 349, 360, NULL, NULL, '{"calls": "12", "usage": "8069", "digest": "155854084827d59a", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:32.738476+00'),
	(5, 'map', 1, 361, 372, NULL, NULL, '{"calls": "12", "usage": "5213", "digest": "6527f04e52949d95", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:32.751931+00'),
	(5, 'recount', 0, 349, 372, NULL, NULL, '{"calls": "24", "usage": "13282"}', 'vm:5398', 1, '2026-11-30 13:05:32.816726+00'),
	(5, 'reduce', 1, NULL, NULL, 2048, 4096, '{"calls": "5", "usage": "2574", "users": "1", "cycles": "1", "digest": "b2da83e76cb631b4", "billedUsage": "2574", "carriedInCalls": "0", "carriedInUsage": "0", "carriedOutCalls": "0", "carriedOutUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:32.81701+00'),
	(5, 'reduce', 0, NULL, NULL, 0, 2048, '{"calls": "19", "usage": "10708", "users": "3", "cycles": "4", "digest": "c7a5c06f2e06417b", "billedUsage": "10325", "carriedInCalls": "5", "carriedInUsage": "1829", "carriedOutCalls": "4", "carriedOutUsage": "2212"}', 'vm:5398', 1, '2026-11-30 13:05:32.869479+00'),
	(6, 'map', 1, 385, 396, NULL, NULL, '{"calls": "12", "usage": "6068", "digest": "04982e9f99020299", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.111071+00'),
	(6, 'map', 0, 373, 384, NULL, NULL, '{"calls": "12", "usage": "6879", "digest": "d2c9565b78ff1925", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.119697+00'),
	(6, 'reduce', 0, NULL, NULL, 0, 2048, '{"calls": "14", "usage": "6912", "users": "3", "cycles": "3", "digest": "965795c12e779229", "billedUsage": "7578", "carriedInCalls": "4", "carriedInUsage": "2212", "carriedOutCalls": "3", "carriedOutUsage": "1546"}', 'vm:5398', 1, '2026-11-30 13:05:33.165027+00'),
	(6, 'recount', 0, 373, 396, NULL, NULL, '{"calls": "24", "usage": "12947"}', 'vm:5398', 1, '2026-11-30 13:05:33.166318+00'),
	(6, 'reduce', 1, NULL, NULL, 2048, 4096, '{"calls": "10", "usage": "6035", "users": "1", "cycles": "2", "digest": "4109ef39e3898995", "billedUsage": "6035", "carriedInCalls": "0", "carriedInUsage": "0", "carriedOutCalls": "0", "carriedOutUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.200237+00'),
	(7, 'map', 1, 409, 420, NULL, NULL, '{"calls": "12", "usage": "6891", "digest": "6971c32cc1158a93", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.599251+00'),
	(7, 'map', 0, 397, 408, NULL, NULL, '{"calls": "12", "usage": "5867", "digest": "f1a0098062bb0399", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.614485+00'),
	(7, 'reduce', 1, NULL, NULL, 2048, 4096, '{"calls": "6", "usage": "2676", "users": "1", "cycles": "1", "digest": "b99b184ba9b2c736", "billedUsage": "2198", "carriedInCalls": "0", "carriedInUsage": "0", "carriedOutCalls": "1", "carriedOutUsage": "478"}', 'vm:5398', 1, '2026-11-30 13:05:33.663449+00'),
	(7, 'recount', 0, 397, 420, NULL, NULL, '{"calls": "24", "usage": "12758"}', 'vm:5398', 1, '2026-11-30 13:05:33.674063+00'),
	(7, 'reduce', 0, NULL, NULL, 0, 2048, '{"calls": "18", "usage": "10082", "users": "3", "cycles": "3", "digest": "a176b4617a1dc6f6", "billedUsage": "8324", "carriedInCalls": "3", "carriedInUsage": "1546", "carriedOutCalls": "6", "carriedOutUsage": "3304"}', 'vm:5398', 1, '2026-11-30 13:05:33.684991+00'),
	(8, 'map', 1, 433, 444, NULL, NULL, '{"calls": "12", "usage": "6376", "digest": "e3c39581c69445ac", "spills": 1, "readFrom": "primary", "segmentBytes": 133, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.832223+00'),
	(8, 'recount', 0, 421, 444, NULL, NULL, '{"calls": "24", "usage": "12185"}', 'vm:5398', 1, '2026-11-30 13:05:33.8923+00'),
	(8, 'map', 0, 421, 432, NULL, NULL, '{"calls": "12", "usage": "5809", "digest": "0ff75cb5d911f354", "spills": 1, "readFrom": "primary", "segmentBytes": 151, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:33.860393+00'),
	(8, 'reduce', 0, NULL, NULL, 0, 2048, '{"calls": "16", "usage": "8036", "users": "3", "cycles": "4", "digest": "398f4cf714ee33f7", "billedUsage": "10755", "carriedInCalls": "6", "carriedInUsage": "3304", "carriedOutCalls": "2", "carriedOutUsage": "585"}', 'vm:5398', 1, '2026-11-30 13:05:33.909064+00'),
	(10, 'map', 0, 445, 504, NULL, NULL, '{"calls": "60", "usage": "29319", "digest": "3a62433d0409f509", "spills": 1, "readFrom": "primary", "segmentBytes": 1988, "quarantinedCalls": "0", "quarantinedUsage": "0"}', 'vm:5398', 1, '2026-11-30 13:05:34.422534+00'),
	(10, 'recount', 0, 445, 504, NULL, NULL, '{"calls": "60", "usage": "29319"}', 'vm:5398', 1, '2026-11-30 13:05:34.432296+00'),
	(10, 'reduce', 0, NULL, NULL, 0, 4096, '{"calls": "60", "usage": "29319", "users": "29", "cycles": "2", "digest": "3a62433d0409f509", "billedUsage": "4556", "carriedInCalls": "0", "carriedInUsage": "0", "carriedOutCalls": "50", "carriedOutUsage": "24763"}', 'vm:5398', 1, '2026-11-30 13:05:34.452556+00'),
	(8, 'reduce', 1, NULL, NULL, 2048, 4096, '{"calls": "8", "usage": "4149", "users": "1", "cycles": "1", "digest": "ba2ba5408ab80509", "billedUsage": "2355", "carriedInCalls": "1", "carriedInUsage": "478", "carriedOutCalls": "4", "carriedOutUsage": "2272"}', 'vm:5398', 1, '2026-11-30 13:05:33.920775+00');
INSERT INTO public.api_logs VALUES
	(1, 597, '2026-10-01 00:00:00.025+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(2, 170, '2026-10-01 00:00:00.05+00', 'user-18', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(3, 347, '2026-10-01 00:00:00.075+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(4, 785, '2026-10-01 00:00:00.1+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(5, 138, '2026-10-01 00:00:00.125+00', 'user-26', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(6, 85, '2026-10-01 00:00:00.15+00', 'user-17', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(8, 379, '2026-10-01 00:00:00.2+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(9, 804, '2026-10-01 00:00:00.225+00', 'user-27', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(10, 960, '2026-10-01 00:00:00.25+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(11, 880, '2026-10-01 00:00:00.275+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(12, 302, '2026-10-01 00:00:00.3+00', 'user-26', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(13, 671, '2026-10-01 00:00:00.325+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(14, 868, '2026-10-01 00:00:00.35+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(15, 484, '2026-10-01 00:00:00.375+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(16, 928, '2026-10-01 00:00:00.4+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(17, 219, '2026-10-01 00:00:00.425+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(18, 478, '2026-10-01 00:00:00.45+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(19, 677, '2026-10-01 00:00:00.475+00', 'user-27', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(20, 92, '2026-10-01 00:00:00.5+00', 'user-36', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(21, 462, '2026-10-01 00:00:00.525+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(22, 908, '2026-10-01 00:00:00.55+00', 'user-36', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(23, 269, '2026-10-01 00:00:00.575+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(24, 695, '2026-10-01 00:00:00.6+00', 'user-16', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(25, 127, '2026-10-01 00:00:00.625+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(26, 268, '2026-10-01 00:00:00.65+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(27, 644, '2026-10-01 00:00:00.675+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(28, 82, '2026-10-01 00:00:00.7+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(29, 436, '2026-10-01 00:00:00.725+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(30, 640, '2026-10-01 00:00:00.75+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(31, 294, '2026-10-01 00:00:00.775+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(32, 735, '2026-10-01 00:00:00.8+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(33, 793, '2026-10-01 00:00:00.825+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(34, 258, '2026-10-01 00:00:00.85+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(35, 660, '2026-10-01 00:00:00.875+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(36, 106, '2026-10-01 00:00:00.9+00', 'user-36', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(37, 532, '2026-10-01 00:00:00.925+00', 'user-30', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(38, 890, '2026-10-01 00:00:00.95+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(39, 259, '2026-10-01 00:00:00.975+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(40, 647, '2026-10-01 00:00:01+00', 'user-31', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(41, 80, '2026-10-01 00:00:01.025+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(42, 126, '2026-10-01 00:00:01.05+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(43, 755, '2026-10-01 00:00:01.075+00', 'user-16', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(44, 147, '2026-10-01 00:00:01.1+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(45, 557, '2026-10-01 00:00:01.125+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(46, 681, '2026-10-01 00:00:01.15+00', 'user-27', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(47, 339, '2026-10-01 00:00:01.175+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(48, 742, '2026-10-01 00:00:01.2+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(49, 175, '2026-10-01 00:00:01.225+00', 'user-39', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(50, 354, '2026-10-01 00:00:01.25+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(51, 530, '2026-10-01 00:00:01.275+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(52, 945, '2026-10-01 00:00:01.3+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(53, 355, '2026-10-01 00:00:01.325+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(54, 214, '2026-10-01 00:00:01.35+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(55, 129, '2026-10-01 00:00:01.375+00', 'user-20', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(56, 533, '2026-10-01 00:00:01.4+00', 'user-13', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(57, 950, '2026-10-01 00:00:01.425+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(58, 770, '2026-10-01 00:00:01.45+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(59, 13, '2026-10-01 00:00:01.475+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(60, 412, '2026-10-01 00:00:01.5+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(61, 837, '2026-10-01 00:00:01.525+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(62, 946, '2026-10-01 00:00:01.55+00', 'user-30', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(63, 678, '2026-10-01 00:00:01.575+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(64, 82, '2026-10-01 00:00:01.6+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(65, 499, '2026-10-01 00:00:01.625+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(66, 626, '2026-10-01 00:00:01.65+00', 'user-13', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(67, 803, '2026-10-01 00:00:01.675+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(68, 194, '2026-10-01 00:00:01.7+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(69, 604, '2026-10-01 00:00:01.725+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(70, 940, '2026-10-01 00:00:01.75+00', 'user-14', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(71, 410, '2026-10-01 00:00:01.775+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(72, 790, '2026-10-01 00:00:01.8+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(73, 230, '2026-10-01 00:00:01.825+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(74, 276, '2026-10-01 00:00:01.85+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(75, 750, '2026-10-01 00:00:01.875+00', 'user-11', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(76, 165, '2026-10-01 00:00:01.9+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(77, 559, '2026-10-01 00:00:01.925+00', 'user-13', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(78, 730, '2026-10-01 00:00:01.95+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(79, 341, '2026-10-01 00:00:01.975+00', 'user-35', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(80, 753, '2026-10-01 00:00:02+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(81, 178, '2026-10-01 00:00:02.025+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(82, 333, '2026-10-01 00:00:02.05+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(83, 525, '2026-10-01 00:00:02.075+00', 'user-12', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(84, 947, '2026-10-01 00:00:02.1+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(85, 357, '2026-10-01 00:00:02.125+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(86, 763, '2026-10-01 00:00:02.15+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(87, 132, '2026-10-01 00:00:02.175+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(88, 551, '2026-10-01 00:00:02.2+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(89, 952, '2026-10-01 00:00:02.225+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(90, 123, '2026-10-01 00:00:02.25+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(91, 640, '2026-10-01 00:00:02.275+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(92, 54, '2026-10-01 00:00:02.3+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(93, 464, '2026-10-01 00:00:02.325+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(94, 612, '2026-10-01 00:00:02.35+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(95, 180, '2026-10-01 00:00:02.375+00', 'user-32', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(96, 600, '2026-10-01 00:00:02.4+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(97, 1, '2026-10-01 00:00:02.425+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(98, 238, '2026-10-01 00:00:02.45+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(99, 430, '2026-10-01 00:00:02.475+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(100, 837, '2026-10-01 00:00:02.5+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(101, 231, '2026-10-01 00:00:02.525+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL);
INSERT INTO public.api_logs VALUES
	(102, 652, '2026-10-01 00:00:02.55+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(103, 37, '2026-10-01 00:00:02.575+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(104, 433, '2026-10-01 00:00:02.6+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(105, 850, '2026-10-01 00:00:02.625+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(106, 13, '2026-10-01 00:00:02.65+00', 'user-34', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(108, 878, '2026-10-01 00:00:02.7+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(109, 272, '2026-10-01 00:00:02.725+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(110, 443, '2026-10-01 00:00:02.75+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(111, 54, '2026-10-01 00:00:02.775+00', 'user-24', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(112, 466, '2026-10-01 00:00:02.8+00', 'user-35', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(113, 883, '2026-10-01 00:00:02.825+00', 'user-21', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(114, 46, '2026-10-01 00:00:02.85+00', 'user-36', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(115, 238, '2026-10-01 00:00:02.875+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(116, 535, '2026-10-01 00:00:02.9+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(117, 70, '2026-10-01 00:00:02.925+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(118, 981, '2026-10-01 00:00:02.95+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(119, 845, '2026-10-01 00:00:02.975+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(120, 257, '2026-10-01 00:00:03+00', 'user-32', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(121, 658, '2026-10-01 00:00:03.025+00', 'user-24', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(122, 836, '2026-10-01 00:00:03.05+00', 'user-12', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(123, 187, '2026-10-01 00:00:03.075+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(124, 607, '2026-10-01 00:00:03.1+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(125, 9, '2026-10-01 00:00:03.125+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(126, 159, '2026-10-01 00:00:03.15+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(127, 383, '2026-10-01 00:00:03.175+00', 'user-21', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(128, 796, '2026-10-01 00:00:03.2+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(129, 206, '2026-10-01 00:00:03.225+00', 'user-16', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(130, 785, '2026-10-01 00:00:03.25+00', 'user-26', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(131, 977, '2026-10-01 00:00:03.275+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(132, 405, '2026-10-01 00:00:03.3+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(133, 800, '2026-10-01 00:00:03.325+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(134, 692, '2026-10-01 00:00:03.35+00', 'user-26', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(135, 576, '2026-10-01 00:00:03.375+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(136, 982, '2026-10-01 00:00:03.4+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(137, 399, '2026-10-01 00:00:03.425+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(138, 575, '2026-10-01 00:00:03.45+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(139, 510, '2026-10-01 00:00:03.475+00', 'user-23', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(140, 923, '2026-10-01 00:00:03.5+00', 'user-18', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(141, 332, '2026-10-01 00:00:03.525+00', 'user-23', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(142, 482, '2026-10-01 00:00:03.55+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(143, 109, '2026-10-01 00:00:03.575+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(144, 515, '2026-10-01 00:00:03.6+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(145, 931, '2026-10-01 00:00:03.625+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(146, 93, '2026-10-01 00:00:03.65+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(147, 300, '2026-10-01 00:00:03.675+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(148, 713, '2026-10-01 00:00:03.7+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(149, 107, '2026-10-01 00:00:03.725+00', 'user-38', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(150, 531, '2026-10-01 00:00:03.75+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(151, 884, '2026-10-01 00:00:03.775+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(152, 305, '2026-10-01 00:00:03.8+00', 'user-24', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(153, 706, '2026-10-01 00:00:03.825+00', 'user-12', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(154, 883, '2026-10-01 00:00:03.85+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(155, 274, '2026-10-01 00:00:03.875+00', 'user-18', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(156, 695, '2026-10-01 00:00:03.9+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(157, 89, '2026-10-01 00:00:03.925+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(158, 247, '2026-10-01 00:00:03.95+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(159, 932, '2026-10-01 00:00:03.975+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(160, 354, '2026-10-01 00:00:04+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(161, 755, '2026-10-01 00:00:04.025+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(162, 865, '2026-10-01 00:00:04.05+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(163, 153, '2026-10-01 00:00:04.075+00', 'user-11', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(164, 708, '2026-10-01 00:00:04.1+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(165, 103, '2026-10-01 00:00:04.125+00', 'user-35', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(166, 493, '2026-10-01 00:00:04.15+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(167, 814, '2026-10-01 00:00:04.175+00', 'user-21', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(168, 250, '2026-10-01 00:00:04.2+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(169, 666, '2026-10-01 00:00:04.225+00', 'user-31', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(170, 736, '2026-10-01 00:00:04.25+00', 'user-14', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(171, 358, '2026-10-01 00:00:04.275+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(172, 749, '2026-10-01 00:00:04.3+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(173, 143, '2026-10-01 00:00:04.325+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(174, 283, '2026-10-01 00:00:04.35+00', 'user-38', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(175, 894, '2026-10-01 00:00:04.375+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(176, 345, '2026-10-01 00:00:04.4+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(177, 746, '2026-10-01 00:00:04.425+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(178, 956, '2026-10-01 00:00:04.45+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(179, 773, '2026-10-01 00:00:04.475+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(180, 532, '2026-10-01 00:00:04.5+00', 'user-34', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(181, 950, '2026-10-01 00:00:04.525+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(182, 816, '2026-10-01 00:00:04.55+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(183, 685, '2026-10-01 00:00:04.575+00', 'user-25', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(184, 135, '2026-10-01 00:00:04.6+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(185, 537, '2026-10-01 00:00:04.625+00', 'user-17', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(186, 372, '2026-10-01 00:00:04.65+00', 'user-31', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(187, 630, '2026-10-01 00:00:04.675+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(188, 14, '2026-10-01 00:00:04.7+00', 'user-19', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(189, 424, '2026-10-01 00:00:04.725+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(190, 548, '2026-10-01 00:00:04.75+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(191, 233, '2026-10-01 00:00:04.775+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(192, 684, '2026-10-01 00:00:04.8+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(193, 85, '2026-10-01 00:00:04.825+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(194, 213, '2026-10-01 00:00:04.85+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(195, 296, '2026-10-01 00:00:04.875+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(196, 796, '2026-10-01 00:00:04.9+00', 'user-34', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(197, 191, '2026-10-01 00:00:04.925+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(198, 479, '2026-10-01 00:00:04.95+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(199, 965, '2026-10-01 00:00:04.975+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(200, 393, '2026-10-01 00:00:05+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(201, 817, '2026-10-01 00:00:05.025+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(202, 879, '2026-10-01 00:00:05.05+00', 'user-12', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL);
INSERT INTO public.api_logs VALUES
	(203, 321, '2026-10-01 00:00:05.075+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(204, 736, '2026-10-01 00:00:05.1+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(205, 146, '2026-10-01 00:00:05.125+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(206, 270, '2026-10-01 00:00:05.15+00', 'user-31', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(208, 324, '2026-10-01 00:00:05.2+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(209, 748, '2026-10-01 00:00:05.225+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(210, 935, '2026-10-01 00:00:05.25+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(211, 120, '2026-10-01 00:00:05.275+00', 'user-19', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(212, 519, '2026-10-01 00:00:05.3+00', 'user-26', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(213, 944, '2026-10-01 00:00:05.325+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(214, 302, '2026-10-01 00:00:05.35+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(215, 718, '2026-10-01 00:00:05.375+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(216, 122, '2026-10-01 00:00:05.4+00', 'user-14', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(217, 539, '2026-10-01 00:00:05.425+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(218, 850, '2026-10-01 00:00:05.45+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(219, 226, '2026-10-01 00:00:05.475+00', 'user-15', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(220, 623, '2026-10-01 00:00:05.5+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(221, 51, '2026-10-01 00:00:05.525+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(222, 151, '2026-10-01 00:00:05.55+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(223, 766, '2026-10-01 00:00:05.575+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(224, 157, '2026-10-01 00:00:05.6+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(225, 587, '2026-10-01 00:00:05.625+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(226, 824, '2026-10-01 00:00:05.65+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(227, 17, '2026-10-01 00:00:05.675+00', 'user-36', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(228, 414, '2026-10-01 00:00:05.7+00', 'user-21', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(229, 818, '2026-10-01 00:00:05.725+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(230, 192, '2026-10-01 00:00:05.75+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(231, 624, '2026-10-01 00:00:05.775+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(232, 6, '2026-10-01 00:00:05.8+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(233, 436, '2026-10-01 00:00:05.825+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(234, 490, '2026-10-01 00:00:05.85+00', 'user-8', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(235, 34, '2026-10-01 00:00:05.875+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(236, 447, '2026-10-01 00:00:05.9+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(237, 859, '2026-10-01 00:00:05.925+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(238, 983, '2026-10-01 00:00:05.95+00', 'user-21', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(239, 641, '2026-10-01 00:00:05.975+00', 'user-34', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(240, 39, '2026-10-01 00:00:06+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(241, 454, '2026-10-01 00:00:06.025+00', 'user-31', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(242, 648, '2026-10-01 00:00:06.05+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(243, 825, '2026-10-01 00:00:06.075+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(244, 112, '2026-10-01 00:00:06.1+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(245, 657, '2026-10-01 00:00:06.125+00', 'user-9', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(246, 529, '2026-10-01 00:00:06.15+00', 'user-27', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(247, 431, '2026-10-01 00:00:06.175+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(248, 814, '2026-10-01 00:00:06.2+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(249, 244, '2026-10-01 00:00:06.225+00', 'user-39', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(250, 62, '2026-10-01 00:00:06.25+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(251, 781, '2026-10-01 00:00:06.275+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(252, 180, '2026-10-01 00:00:06.3+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(253, 606, '2026-10-01 00:00:06.325+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(254, 707, '2026-10-01 00:00:06.35+00', 'user-19', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(255, 978, '2026-10-01 00:00:06.375+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(256, 374, '2026-10-01 00:00:06.4+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(257, 799, '2026-10-01 00:00:06.425+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(258, 395, '2026-10-01 00:00:06.45+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(259, 572, '2026-10-01 00:00:06.475+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(260, 963, '2026-10-01 00:00:06.5+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(261, 389, '2026-10-01 00:00:06.525+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(262, 239, '2026-10-01 00:00:06.55+00', 'user-5', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(263, 171, '2026-10-01 00:00:06.575+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(264, 559, '2026-10-01 00:00:06.6+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(265, 992, '2026-10-01 00:00:06.625+00', 'user-7', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(266, 45, '2026-10-01 00:00:06.65+00', 'user-31', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(267, 105, '2026-10-01 00:00:06.675+00', 'user-35', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(268, 504, '2026-10-01 00:00:06.7+00', 'user-3', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(269, 914, '2026-10-01 00:00:06.725+00', 'user-24', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(270, 30, '2026-10-01 00:00:06.75+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(271, 688, '2026-10-01 00:00:06.775+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(272, 92, '2026-10-01 00:00:06.8+00', 'user-29', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(273, 524, '2026-10-01 00:00:06.825+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(274, 703, '2026-10-01 00:00:06.85+00', 'user-37', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(275, 880, '2026-10-01 00:00:06.875+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(276, 302, '2026-10-01 00:00:06.9+00', 'user-10', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(277, 712, '2026-10-01 00:00:06.925+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(278, 63, '2026-10-01 00:00:06.95+00', 'user-12', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(279, 479, '2026-10-01 00:00:06.975+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(280, 883, '2026-10-01 00:00:07+00', 'user-4', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(281, 299, '2026-10-01 00:00:07.025+00', 'user-19', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(282, 619, '2026-10-01 00:00:07.05+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(283, 870, '2026-10-01 00:00:07.075+00', 'user-28', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(284, 261, '2026-10-01 00:00:07.1+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(285, 686, '2026-10-01 00:00:07.125+00', 'user-16', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(286, 795, '2026-10-01 00:00:07.15+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(287, 535, '2026-10-01 00:00:07.175+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(288, 931, '2026-10-01 00:00:07.2+00', 'user-21', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(289, 348, '2026-10-01 00:00:07.225+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(290, 476, '2026-10-01 00:00:07.25+00', 'user-38', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(291, 740, '2026-10-01 00:00:07.275+00', 'user-16', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(292, 160, '2026-10-01 00:00:07.3+00', 'user-11', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(293, 689, '2026-10-01 00:00:07.325+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(294, 95, '2026-10-01 00:00:07.35+00', 'user-33', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(295, 385, '2026-10-01 00:00:07.375+00', 'user-33', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(296, 822, '2026-10-01 00:00:07.4+00', 'user-11', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(297, 253, '2026-10-01 00:00:07.425+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(298, 338, '2026-10-01 00:00:07.45+00', 'user-1', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(299, 944, '2026-10-01 00:00:07.475+00', 'user-2', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(300, 380, '2026-10-01 00:00:07.5+00', 'user-25', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(7, -7, '2026-10-01 00:00:00.175+00', 'user-22', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(107, -107, '2026-10-01 00:00:02.675+00', 'user-6', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL),
	(207, -207, '2026-10-01 00:00:05.175+00', 'user-0', '2026-11-30 13:05:30.227151+00', NULL, NULL, NULL, NULL);
INSERT INTO public.api_logs VALUES
	(301, 31, '2026-10-01 00:00:00.025+00', 'user-1', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(302, 547, '2026-10-01 00:00:00.05+00', 'user-3', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(303, 686, '2026-10-01 00:00:00.075+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(304, 277, '2026-10-01 00:00:00.1+00', 'user-0', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(305, 694, '2026-10-01 00:00:00.125+00', 'user-3', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(306, 978, '2026-10-01 00:00:00.15+00', 'user-3', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(307, 223, '2026-10-01 00:00:00.175+00', 'user-3', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(308, 315, '2026-10-01 00:00:00.2+00', 'user-0', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(309, 802, '2026-10-01 00:00:00.225+00', 'user-3', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(310, 453, '2026-10-01 00:00:00.25+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(311, 277, '2026-10-01 00:00:00.275+00', 'user-1', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(312, 44, '2026-10-01 00:00:00.3+00', 'user-0', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(313, 849, '2026-10-01 00:00:00.325+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(314, 499, '2026-10-01 00:00:00.35+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(315, 196, '2026-10-01 00:00:00.375+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(316, 37, '2026-10-01 00:00:00.4+00', 'user-1', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(317, 965, '2026-10-01 00:00:00.425+00', 'user-0', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(318, 544, '2026-10-01 00:00:00.45+00', 'user-1', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(319, 169, '2026-10-01 00:00:00.475+00', 'user-0', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(320, 865, '2026-10-01 00:00:00.5+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(321, 698, '2026-10-01 00:00:00.525+00', 'user-1', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(322, 507, '2026-10-01 00:00:00.55+00', 'user-1', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(323, 702, '2026-10-01 00:00:00.575+00', 'user-2', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(324, 219, '2026-10-01 00:00:00.6+00', 'user-0', '2026-11-30 13:05:31.61261+00', NULL, NULL, NULL, NULL),
	(325, 456, '2026-10-01 00:00:00.025+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(326, 17, '2026-10-01 00:00:00.05+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(327, 389, '2026-10-01 00:00:00.075+00', 'user-2', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(328, 893, '2026-10-01 00:00:00.1+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(329, 62, '2026-10-01 00:00:00.125+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(330, 56, '2026-10-01 00:00:00.15+00', 'user-2', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(331, 974, '2026-10-01 00:00:00.175+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(332, 56, '2026-10-01 00:00:00.2+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(333, 418, '2026-10-01 00:00:00.225+00', 'user-0', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(334, 717, '2026-10-01 00:00:00.25+00', 'user-2', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(335, 78, '2026-10-01 00:00:00.275+00', 'user-0', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(336, 722, '2026-10-01 00:00:00.3+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(337, 405, '2026-10-01 00:00:00.325+00', 'user-2', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(338, 885, '2026-10-01 00:00:00.35+00', 'user-0', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(339, 62, '2026-10-01 00:00:00.375+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(340, 276, '2026-10-01 00:00:00.4+00', 'user-0', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(341, 499, '2026-10-01 00:00:00.425+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(342, 57, '2026-10-01 00:00:00.45+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(343, 193, '2026-10-01 00:00:00.475+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(344, 678, '2026-10-01 00:00:00.5+00', 'user-3', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(345, 483, '2026-10-01 00:00:00.525+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(346, 122, '2026-10-01 00:00:00.55+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(347, 172, '2026-10-01 00:00:00.575+00', 'user-2', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(348, 847, '2026-10-01 00:00:00.6+00', 'user-1', '2026-11-30 13:05:32.18653+00', NULL, NULL, NULL, NULL),
	(349, 902, '2026-10-01 00:00:00.025+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(350, 980, '2026-10-01 00:00:00.05+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(351, 734, '2026-10-01 00:00:00.075+00', 'user-2', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(352, 314, '2026-10-01 00:00:00.1+00', 'user-0', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(353, 896, '2026-10-01 00:00:00.125+00', 'user-0', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(354, 487, '2026-10-01 00:00:00.15+00', 'user-1', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(355, 960, '2026-10-01 00:00:00.175+00', 'user-2', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(356, 551, '2026-10-01 00:00:00.2+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(357, 692, '2026-10-01 00:00:00.225+00', 'user-2', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(358, 64, '2026-10-01 00:00:00.25+00', 'user-1', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(359, 572, '2026-10-01 00:00:00.275+00', 'user-0', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(360, 917, '2026-10-01 00:00:00.3+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(361, 273, '2026-10-01 00:00:00.325+00', 'user-2', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(362, 864, '2026-10-01 00:00:00.35+00', 'user-2', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(363, 430, '2026-10-01 00:00:00.375+00', 'user-2', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(364, 21, '2026-10-01 00:00:00.4+00', 'user-0', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(365, 373, '2026-10-01 00:00:00.425+00', 'user-0', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(366, 143, '2026-10-01 00:00:00.45+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(367, 535, '2026-10-01 00:00:00.475+00', 'user-1', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(368, 168, '2026-10-01 00:00:00.5+00', 'user-0', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(369, 728, '2026-10-01 00:00:00.525+00', 'user-1', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(370, 334, '2026-10-01 00:00:00.55+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(371, 760, '2026-10-01 00:00:00.575+00', 'user-1', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(372, 584, '2026-10-01 00:00:00.6+00', 'user-3', '2026-11-30 13:05:32.608145+00', NULL, NULL, NULL, NULL),
	(373, 542, '2026-10-01 00:00:00.025+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(374, 620, '2026-10-01 00:00:00.05+00', 'user-3', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(375, 221, '2026-10-01 00:00:00.075+00', 'user-2', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(376, 747, '2026-10-01 00:00:00.1+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(377, 935, '2026-10-01 00:00:00.125+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(378, 955, '2026-10-01 00:00:00.15+00', 'user-3', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(379, 494, '2026-10-01 00:00:00.175+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(380, 814, '2026-10-01 00:00:00.2+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(381, 409, '2026-10-01 00:00:00.225+00', 'user-0', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(382, 548, '2026-10-01 00:00:00.25+00', 'user-0', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(383, 41, '2026-10-01 00:00:00.275+00', 'user-0', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(384, 553, '2026-10-01 00:00:00.3+00', 'user-0', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(385, 31, '2026-10-01 00:00:00.325+00', 'user-2', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(386, 725, '2026-10-01 00:00:00.35+00', 'user-2', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(387, 513, '2026-10-01 00:00:00.375+00', 'user-2', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(388, 224, '2026-10-01 00:00:00.4+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(389, 757, '2026-10-01 00:00:00.425+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(390, 272, '2026-10-01 00:00:00.45+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(391, 872, '2026-10-01 00:00:00.475+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(392, 830, '2026-10-01 00:00:00.5+00', 'user-3', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(393, 433, '2026-10-01 00:00:00.525+00', 'user-0', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(394, 228, '2026-10-01 00:00:00.55+00', 'user-2', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(395, 805, '2026-10-01 00:00:00.575+00', 'user-0', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(396, 378, '2026-10-01 00:00:00.6+00', 'user-1', '2026-11-30 13:05:32.952271+00', NULL, NULL, NULL, NULL),
	(397, 944, '2026-10-01 00:00:00.025+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(398, 882, '2026-10-01 00:00:00.05+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(399, 551, '2026-10-01 00:00:00.075+00', 'user-2', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(400, 104, '2026-10-01 00:00:00.1+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL);
INSERT INTO public.api_logs VALUES
	(401, 806, '2026-10-01 00:00:00.125+00', 'user-2', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(402, 202, '2026-10-01 00:00:00.15+00', 'user-0', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(403, 761, '2026-10-01 00:00:00.175+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(404, 358, '2026-10-01 00:00:00.2+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(405, 295, '2026-10-01 00:00:00.225+00', 'user-1', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(406, 558, '2026-10-01 00:00:00.25+00', 'user-0', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(407, 243, '2026-10-01 00:00:00.275+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(408, 163, '2026-10-01 00:00:00.3+00', 'user-1', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(409, 755, '2026-10-01 00:00:00.325+00', 'user-1', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(410, 552, '2026-10-01 00:00:00.35+00', 'user-0', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(411, 987, '2026-10-01 00:00:00.375+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(412, 581, '2026-10-01 00:00:00.4+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(413, 111, '2026-10-01 00:00:00.425+00', 'user-1', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(414, 440, '2026-10-01 00:00:00.45+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(415, 874, '2026-10-01 00:00:00.475+00', 'user-1', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(416, 422, '2026-10-01 00:00:00.5+00', 'user-2', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(417, 504, '2026-10-01 00:00:00.525+00', 'user-3', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(418, 325, '2026-10-01 00:00:00.55+00', 'user-2', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(419, 862, '2026-10-01 00:00:00.575+00', 'user-2', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(420, 478, '2026-10-01 00:00:00.6+00', 'user-1', '2026-11-30 13:05:33.268973+00', NULL, NULL, NULL, NULL),
	(421, 576, '2026-10-01 00:00:00.025+00', 'user-3', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(422, 771, '2026-10-01 00:00:00.05+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(423, 370, '2026-10-01 00:00:00.075+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(424, 41, '2026-10-01 00:00:00.1+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(425, 638, '2026-10-01 00:00:00.125+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(426, 242, '2026-10-01 00:00:00.15+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(427, 583, '2026-10-01 00:00:00.175+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(428, 204, '2026-10-01 00:00:00.2+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(429, 793, '2026-10-01 00:00:00.225+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(430, 458, '2026-10-01 00:00:00.25+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(431, 598, '2026-10-01 00:00:00.275+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(432, 535, '2026-10-01 00:00:00.3+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(433, 742, '2026-10-01 00:00:00.325+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(434, 759, '2026-10-01 00:00:00.35+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(435, 311, '2026-10-01 00:00:00.375+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(436, 698, '2026-10-01 00:00:00.4+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(437, 396, '2026-10-01 00:00:00.425+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(438, 958, '2026-10-01 00:00:00.45+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(439, 448, '2026-10-01 00:00:00.475+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(440, 9, '2026-10-01 00:00:00.5+00', 'user-0', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(441, 614, '2026-10-01 00:00:00.525+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(442, 741, '2026-10-01 00:00:00.55+00', 'user-2', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(443, 28, '2026-10-01 00:00:00.575+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(444, 672, '2026-10-01 00:00:00.6+00', 'user-1', '2026-11-30 13:05:33.729538+00', NULL, NULL, NULL, NULL),
	(445, 597, '2026-10-01 00:00:00.025+00', 'a
', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(446, 170, '2026-10-01 00:00:00.05+00', 'null', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(447, 347, '2026-10-01 00:00:00.075+00', '﻿bom', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(448, 785, '2026-10-01 00:00:00.1+00', 'Zoë', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(449, 138, '2026-10-01 00:00:00.125+00', '-1', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(450, 85, '2026-10-01 00:00:00.15+00', 'null', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(451, 943, '2026-10-01 00:00:00.175+00', '0', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(452, 379, '2026-10-01 00:00:00.2+00', 'Ελληνικά', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(453, 804, '2026-10-01 00:00:00.225+00', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(454, 960, '2026-10-01 00:00:00.25+00', 'line
break', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(455, 880, '2026-10-01 00:00:00.275+00', '{"json": [1]}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(456, 302, '2026-10-01 00:00:00.3+00', '-1', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(457, 671, '2026-10-01 00:00:00.325+00', '{array,literal}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(458, 868, '2026-10-01 00:00:00.35+00', 'Zoë', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(459, 484, '2026-10-01 00:00:00.375+00', '﻿bom', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(460, 928, '2026-10-01 00:00:00.4+00', 'a ', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(461, 219, '2026-10-01 00:00:00.425+00', '👩‍👩‍👧‍👦', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(462, 478, '2026-10-01 00:00:00.45+00', '"quoted", ''both'' ways', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(463, 677, '2026-10-01 00:00:00.475+00', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(464, 92, '2026-10-01 00:00:00.5+00', 'éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(465, 462, '2026-10-01 00:00:00.525+00', '$1 %s $(x)', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(466, 908, '2026-10-01 00:00:00.55+00', 'éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(467, 269, '2026-10-01 00:00:00.575+00', '􏿿', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(468, 695, '2026-10-01 00:00:00.6+00', '􏿿', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(469, 127, '2026-10-01 00:00:00.625+00', 'a', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(470, 268, '2026-10-01 00:00:00.65+00', 'back\slash \N \.', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(471, 644, '2026-10-01 00:00:00.675+00', 'line
break', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(472, 82, '2026-10-01 00:00:00.7+00', '	', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(473, 436, '2026-10-01 00:00:00.725+00', 'Ελληνικά', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(474, 640, '2026-10-01 00:00:00.75+00', 'back\slash \N \.', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(475, 294, '2026-10-01 00:00:00.775+00', '漢字かな', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(476, 735, '2026-10-01 00:00:00.8+00', 'a', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(477, 793, '2026-10-01 00:00:00.825+00', 'Ελληνικά', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(478, 258, '2026-10-01 00:00:00.85+00', '{array,literal}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(479, 660, '2026-10-01 00:00:00.875+00', 'a', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(480, 106, '2026-10-01 00:00:00.9+00', '😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(481, 532, '2026-10-01 00:00:00.925+00', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(482, 890, '2026-10-01 00:00:00.95+00', 'Robert''); drop table api_logs; --', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(483, 259, '2026-10-01 00:00:00.975+00', '"quoted", ''both'' ways', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(484, 647, '2026-10-01 00:00:01+00', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(485, 80, '2026-10-01 00:00:01.025+00', '{array,literal}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(486, 126, '2026-10-01 00:00:01.05+00', '‮right to left', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(487, 755, '2026-10-01 00:00:01.075+00', '􏿿', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(488, 147, '2026-10-01 00:00:01.1+00', '{array,literal}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(489, 557, '2026-10-01 00:00:01.125+00', '􏿿', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(490, 681, '2026-10-01 00:00:01.15+00', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(491, 339, '2026-10-01 00:00:01.175+00', ' ', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(492, 742, '2026-10-01 00:00:01.2+00', '👩‍👩‍👧‍👦', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(493, 175, '2026-10-01 00:00:01.225+00', '😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(494, 354, '2026-10-01 00:00:01.25+00', '􏿿', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(495, 530, '2026-10-01 00:00:01.275+00', '{"json": [1]}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(496, 945, '2026-10-01 00:00:01.3+00', 'back\slash \N \.', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(497, 355, '2026-10-01 00:00:01.325+00', '{"json": [1]}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(498, 214, '2026-10-01 00:00:01.35+00', ' ', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(499, 129, '2026-10-01 00:00:01.375+00', 'NULL', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(500, 533, '2026-10-01 00:00:01.4+00', '￿', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL);
INSERT INTO public.api_logs VALUES
	(501, 950, '2026-10-01 00:00:01.425+00', '﻿bom', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(502, 770, '2026-10-01 00:00:01.45+00', '{array,literal}', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(503, 13, '2026-10-01 00:00:01.475+00', 'a ', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL),
	(504, 412, '2026-10-01 00:00:01.5+00', 'line
break', '2026-11-30 13:05:33.961169+00', NULL, NULL, NULL, NULL);
SELECT pg_catalog.setval('meterfold.attempts_attempt_id_seq', 51, true);
SELECT pg_catalog.setval('meterfold.repacks_repack_id_seq', 1, true);
SELECT pg_catalog.setval('meterfold.runs_run_id_seq', 10, true);
SELECT pg_catalog.setval('public.api_logs_id_seq', 504, true);
ALTER TABLE ONLY meterfold.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (attempt_id);
ALTER TABLE ONLY meterfold.chain_head
    ADD CONSTRAINT chain_head_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY meterfold.chain
    ADD CONSTRAINT chain_pkey PRIMARY KEY (number);
ALTER TABLE ONLY meterfold.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (single_row);
ALTER TABLE ONLY meterfold.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY meterfold.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY meterfold.open_cycles
    ADD CONSTRAINT open_cycles_pkey PRIMARY KEY (user_id, run_id);
ALTER TABLE ONLY meterfold.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (log_position);
ALTER TABLE ONLY meterfold.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (user_id, first_cycle);
ALTER TABLE ONLY meterfold.repacked_records
    ADD CONSTRAINT repacked_records_pkey PRIMARY KEY (user_id, first_cycle);
ALTER TABLE ONLY meterfold.repacks
    ADD CONSTRAINT repacks_pkey PRIMARY KEY (repack_id);
ALTER TABLE ONLY meterfold.retained_open_cycles
    ADD CONSTRAINT retained_open_cycles_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY meterfold.retentions
    ADD CONSTRAINT retentions_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY meterfold.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY meterfold.seals
    ADD CONSTRAINT seals_pkey PRIMARY KEY (seal_position);
ALTER TABLE ONLY meterfold.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (run_id, partition, spill, page);
ALTER TABLE ONLY meterfold.spills
    ADD CONSTRAINT spills_pkey PRIMARY KEY (run_id, partition, spill);
ALTER TABLE ONLY meterfold.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (run_id, kind, number);
ALTER TABLE ONLY public.api_logs
    ADD CONSTRAINT api_logs_pkey PRIMARY KEY (id);
CREATE INDEX attempts_of_activity ON meterfold.attempts USING btree (run_id, activity_id);
CREATE INDEX open_cycles_of_run ON meterfold.open_cycles USING brin (run_id) WITH (pages_per_range='32');
CREATE INDEX quarantine_of_run ON meterfold.quarantine USING btree (run_id);
CREATE INDEX records_of_run ON meterfold.records USING brin (run_id) WITH (pages_per_range='32');
CREATE INDEX repacked_records_of_run ON meterfold.repacked_records USING brin (run_id) WITH (autosummarize='on');
CREATE INDEX repacked_records_runs ON meterfold.repacked_records USING gist (meterfold.run_range(run_ids, run_id));
CREATE UNIQUE INDEX runs_of_execution ON meterfold.runs USING btree (execution_run_id, workflow_id, temporal_namespace);
CREATE INDEX runs_of_owner ON meterfold.runs USING btree (first_execution_run_id, workflow_id, temporal_namespace);
CREATE UNIQUE INDEX runs_one_active ON meterfold.runs USING btree ((true)) WHERE (state = 'active'::text);
CREATE UNIQUE INDEX runs_published_chain ON meterfold.runs USING btree (previous_run_id) NULLS NOT DISTINCT WHERE (state = 'published'::text);
CREATE TRIGGER link_retention AFTER INSERT ON meterfold.retentions FOR EACH ROW EXECUTE FUNCTION meterfold.link_retention();
CREATE TRIGGER link_run AFTER UPDATE OF row_digest ON meterfold.runs FOR EACH ROW WHEN (((new.state <> 'active'::text) AND (new.row_digest IS DISTINCT FROM old.row_digest))) EXECUTE FUNCTION meterfold.link_run();
CREATE TRIGGER refuse_revert BEFORE UPDATE OF state ON meterfold.runs FOR EACH ROW WHEN (((new.state = 'reverted'::text) AND (old.state <> 'reverted'::text))) EXECUTE FUNCTION meterfold.refuse_revert();
CREATE TRIGGER meterfold_guard BEFORE DELETE OR UPDATE ON public.api_logs FOR EACH ROW EXECUTE FUNCTION meterfold.refuse_log_change();
CREATE TRIGGER meterfold_guard_truncate BEFORE TRUNCATE ON public.api_logs FOR EACH STATEMENT EXECUTE FUNCTION meterfold.refuse_log_change();
ALTER TABLE ONLY meterfold.chain
    ADD CONSTRAINT chain_run_id_fkey FOREIGN KEY (run_id) REFERENCES meterfold.runs(run_id);
ALTER TABLE ONLY meterfold.leases
    ADD CONSTRAINT leases_run_id_fkey FOREIGN KEY (run_id) REFERENCES meterfold.runs(run_id);
ALTER TABLE ONLY meterfold.quarantine
    ADD CONSTRAINT quarantine_run_id_fkey FOREIGN KEY (run_id) REFERENCES meterfold.runs(run_id);
ALTER TABLE ONLY meterfold.retentions
    ADD CONSTRAINT retentions_run_id_fkey FOREIGN KEY (run_id) REFERENCES meterfold.runs(run_id);
ALTER TABLE ONLY meterfold.runs
    ADD CONSTRAINT runs_previous_run_id_fkey FOREIGN KEY (previous_run_id) REFERENCES meterfold.runs(run_id);
ALTER TABLE ONLY meterfold.spills
    ADD CONSTRAINT spills_run_id_fkey FOREIGN KEY (run_id) REFERENCES meterfold.runs(run_id);
ALTER TABLE ONLY meterfold.tasks
    ADD CONSTRAINT tasks_run_id_fkey FOREIGN KEY (run_id) REFERENCES meterfold.runs(run_id);
REVOKE ALL ON FUNCTION meterfold.append_link(of_event text, of_run bigint, of_digest bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION meterfold.guard_log(guarded boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION meterfold.link_retention() FROM PUBLIC;
REVOKE ALL ON FUNCTION meterfold.link_run() FROM PUBLIC;
REVOKE ALL ON FUNCTION meterfold.refuse_log_change() FROM PUBLIC;
REVOKE ALL ON FUNCTION meterfold.refuse_revert() FROM PUBLIC;

-- works with: 0006
-- No function of meterfold depends on the settings of the session that calls it: operators and functions of other schemas are not
-- found first. The guard's trigger runs in the session of each program that writes to the log.

-- A standard body is parsed here, once, and can still be inlined, which a SET clause would prevent.
create or replace function meterfold.number_at(numbers bit varying, place integer) returns bigint
  language sql immutable parallel safe
  return pg_catalog.substring(numbers, 64 * place - 63, 64)::bigint;

alter function meterfold.run_digest(bigint) set search_path = pg_catalog, pg_temp;
alter function meterfold.run_digest(bigint) set intervalstyle = 'postgres';
alter function meterfold.run_digest(bigint) set extra_float_digits = 1;
alter function meterfold.refuse_log_change() set search_path = pg_catalog, pg_temp;
alter function meterfold.guard_log(boolean) set search_path = pg_catalog, pg_temp;

-- Reading the log from a replica: where the primary's own log stood when the run was sealed. A replica that has replayed that much
-- holds every call of the run.

alter table meterfold.runs add column sealed_lsn pg_lsn;

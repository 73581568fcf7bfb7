-- works with: 0006
-- A random number of the seal, by which a replica shows that it holds the history in which the run was sealed: positions and
-- transaction numbers are given again after a failover. Null in runs that an earlier version has planned.

alter table meterfold.runs add column seal_id uuid;

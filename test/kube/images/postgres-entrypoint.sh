#!/bin/sh
# The part of the official image's entrypoint that the chart needs: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and
# PGDATA.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb --pgdata "$PGDATA" --username "$POSTGRES_USER" --pwfile /tmp/password --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  [ "$POSTGRES_DB" = postgres ] || echo "create database \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres
fi
[ "${1:-}" = postgres ] && shift
exec postgres -D "$PGDATA" -c 'listen_addresses=*' "$@"

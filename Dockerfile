# syntax=docker/dockerfile:1 The image of meterfold: workers and all commands except `dev` and `demo`, which need the
# embedded servers. It is based on Debian, not Alpine, because Temporal's Core is built for glibc.
ARG NODE_IMAGE=docker.io/library/node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && find dist -name '*.map' -delete

# The packages needed at run time: no development packages, no optional ones (the embedded PostgreSQL, swc for bundling
# workflows), Core for this platform only, and no type declarations, source maps or sources of compiled code.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && cd node_modules \
  && find @temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} + \
  && rm -rf @temporalio/core-bridge/sdk-core rxjs/src rxjs/dist/bundles rxjs/dist/esm rxjs/dist/esm5 rxjs/dist/types zod/src \
  && find . -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' ')' -delete

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title=meterfold \
  org.opencontainers.image.description="Turns a log of API calls in PostgreSQL into bills: exact, provable, fast. A MapReduce on Temporal." \
  org.opencontainers.image.licenses=MIT \
  org.opencontainers.image.version=${VERSION} \
  org.opencontainers.image.revision=${REVISION}
# By default malloc has an arena for each thread of Node and Core. With two arenas, a worker needs 18 MB less and is not
# slower.
ENV NODE_ENV=production HEALTH_PORT=8080 MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/package.json ./
COPY --from=build /app/bin bin
COPY --from=build /app/dist dist
# A numeric user, so that Kubernetes can verify that it is not root. The root file system may be read-only.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HEALTH_PORT}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# node is process 1, so it receives SIGTERM and drains.
ENTRYPOINT ["node", "bin/meterfold.js"]
CMD ["worker"]

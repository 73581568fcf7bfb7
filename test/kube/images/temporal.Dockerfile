# Temporal's CLI, whose dev server the chart uses for evaluation.
FROM debian:bookworm-slim
COPY --chmod=755 temporal /usr/local/bin/temporal
RUN useradd --uid 1000 --no-create-home temporal
ENV USER=temporal
USER 1000:1000
EXPOSE 7233 8233
ENTRYPOINT ["temporal"]

/**
 * The Prometheus metrics of meterfold's own work; docs/metrics.md explains how to read them. The exporter appends
 * `_total` to the name of a counter. Metrics are floating-point numbers and may lose events when a worker dies: for
 * bills, read PostgreSQL.
 */
export const METRICS = {
  runs: { name: 'meterfold_runs', help: 'Workflows that have ended, by outcome' },
  proofFailures: {
    name: 'meterfold_proof_failures',
    help: 'Runs whose figures did not agree; none of them was published',
  },
  retries: { name: 'meterfold_activity_retries', help: 'Attempts at activities after the first' },
  callsBilled: { name: 'meterfold_calls_billed', help: 'Calls that published runs have billed, open cycles included' },
  cyclesClosed: { name: 'meterfold_cycles_closed', help: 'Billing cycles that published runs have closed' },
  runAmount: { name: 'meterfold_run_amount', help: 'Amount of each published run, by currency' },
  phaseSeconds: { name: 'meterfold_phase_duration_seconds', help: 'How long runs were in each phase' },
  lagCalls: { name: 'meterfold_log_lag_calls', help: 'Log positions that are not billed yet, gaps included' },
  lagSeconds: { name: 'meterfold_log_lag_seconds', help: 'Age of the oldest call that is not billed yet' },
  lastPublished: {
    name: 'meterfold_last_published_timestamp_seconds',
    help: 'When the newest published run was published',
  },
} as const;

/** The outcomes of a run's workflow. */
export const OUTCOMES = ['published', 'skipped', 'cancelled', 'failed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Upper bounds of the buckets of each histogram. */
export const BUCKETS_OF = {
  [METRICS.phaseSeconds.name]: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600],
  [METRICS.runAmount.name]: [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000],
};

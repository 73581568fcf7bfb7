/** What the workflow bundle holds: each export is a workflow type. */
export { billingRun } from './billing-run.js';

/** The entry of the workflow bundle. Each export is a workflow type. */
export { billingRun } from './billing-run.js';

import { fileURLToPath } from 'node:url';

/** The dump of a database that the baseline has billed; record.ts writes it. */
export const BASELINE_PATH = fileURLToPath(new URL('baseline.sql', import.meta.url));

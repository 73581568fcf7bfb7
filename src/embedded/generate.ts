/**
 * Generates API calls for demos, tests and benchmarks. It is deterministic: the same options give the same calls on
 * every machine.
 *
 * A few users make most of the calls: the number of a call's user is `users × draw^skew`, where the draw is uniform.
 * Calls are 25 ms apart. Some are late: they were made up to ten minutes before they are logged. Some were refused, and
 * have no usage.
 */
import { copyIn } from '../postgres/copy/copy-in.js';
import { type Pool, transaction } from '../postgres/pool.js';

export interface GenerateOptions {
  calls: number;
  users: number;
  /** The exponent applied to the uniform draw; 1 gives all users the same share. */
  skew: number;
  /** 0 to 2^53 − 1. */
  seed: number;
  /** The time of the first call. */
  start: Date;
}

export const defaultStart = new Date('2026-10-01T00:00:00Z');

export interface GeneratedCall {
  userId: string;
  callId: string;
  endpoint: string;
  method: string;
  status: number;
  usage: number;
  calledAt: Date;
}

const callEveryMs = 25;
const lateMsMax = 600_000;
/** Probabilities, as 1 in N. */
const lateOneIn = 50;
const refusedOneIn = 40;
const usageMax = 100;

/** Endpoints, with their share of the calls in percent. */
const endpoints: [percent: number, method: string, endpoint: string][] = [
  [40, 'POST', '/v1/chat/completions'],
  [25, 'GET', '/v1/search'],
  [20, 'POST', '/v1/embeddings'],
  [10, 'GET', '/v1/files'],
  [5, 'POST', '/v1/images'],
];
const endpointOfPercent = endpoints.flatMap(([percent, method, endpoint]) =>
  Array.from({ length: percent }, () => ({ method, endpoint })),
);
const refusals = [400, 429, 429, 500];

/** Yields the calls in the order in which they are logged. */
export function* generateCalls(options: GenerateOptions): Generator<GeneratedCall> {
  const draw = uniformDraws(options.seed);
  const start = options.start.getTime();
  const prefix = options.seed.toString(36);
  for (let number = 0; number < options.calls; number++) {
    const user = Math.floor(options.users * power(draw(), options.skew));
    const { method, endpoint } = endpointOfPercent[Math.floor(draw() * 100)]!;
    const kind = draw();
    const refused = kind < 1 / refusedOneIn;
    const late = kind > 1 - 1 / lateOneIn;
    const size = draw();
    yield {
      userId: `user-${String(user).padStart(7, '0')}`,
      callId: `${prefix}-${number.toString(36)}`,
      endpoint,
      method,
      status: refused ? refusals[Math.floor(size * refusals.length)]! : 200,
      usage: refused ? 0 : 1 + Math.floor(size * usageMax),
      calledAt: new Date(Math.max(start, start + number * callEveryMs - (late ? Math.floor(size * lateMsMax) : 0))),
    };
  }
}

/** Multiplies for whole exponents: unlike Math.pow, multiplication gives the same bits on every machine. */
function power(base: number, exponent: number): number {
  if (!Number.isInteger(exponent)) return base ** exponent;
  let result = 1;
  for (let i = 0; i < exponent; i++) result *= base;
  return result;
}

/**
 * Uniform draws from [0, 1) by Chris Doty-Humphrey's sfc32 (PractRand), seeded as in PractRand: counter 1, and twelve
 * rounds discarded.
 */
function uniformDraws(seed: number): () => number {
  let a = 0;
  let b = seed | 0;
  let c = Math.floor(seed / 2 ** 32) | 0;
  let counter = 1;
  const draw = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 12; round++) draw();
  return draw;
}

const chunkBytes = 256 * 1024;

/**
 * Appends the calls to the log in one COPY: all of them or, if it is interrupted, none. At most two chunks are in
 * memory. `onProgress` receives the number of calls sent so far. Resolves with the number of rows stored.
 */
export async function copyCalls(
  pool: Pool,
  options: GenerateOptions,
  onProgress: (calls: number) => void = () => {},
): Promise<number> {
  const rows = await transaction(pool, async (client) => {
    const copy = await copyIn(
      client,
      'copy public.api_logs (user_id, call_id, endpoint, method, status, usage, called_at) from stdin',
    );
    let sent = 0;
    let lines = '';
    for (const call of generateCalls(options)) {
      lines += copyLine(call);
      sent += 1;
      if (lines.length < chunkBytes) continue;
      await copy.write(Buffer.from(lines, 'latin1'));
      lines = '';
      onProgress(sent);
    }
    if (lines !== '') await copy.write(Buffer.from(lines, 'latin1'));
    onProgress(sent);
    return copy.finish();
  });
  // Without statistics PostgreSQL would plan the first statements as if the log were empty. VACUUM also marks all rows
  // as visible; otherwise the first reader would write these hint bits page by page, and to the WAL.
  await pool.query('vacuum (analyze) public.api_logs');
  return rows;
}

/** Formats a row in COPY's text format. Generated values need no escaping. */
function copyLine(call: GeneratedCall): string {
  const { userId, callId, endpoint, method, status, usage, calledAt } = call;
  return `${userId}\t${callId}\t${endpoint}\t${method}\t${status}\t${usage}\t${calledAt.toISOString()}\n`;
}

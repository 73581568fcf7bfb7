/**
 * The expected bills, computed as simply as possible: all calls in memory, bigints throughout, and no code of src/. The
 * hash functions follow PostgreSQL's src/common/hashfn.c; hash.test.ts compares them and the kernel's with a real
 * server's results.
 */

/** A call of the log. A user is its bytes, one character each; times are microseconds since 2000. */
export interface Call {
  id: bigint;
  user: string;
  usage: bigint;
  calledAt: bigint;
}

export interface Cycle {
  user: string;
  number: number;
  usage: bigint;
  firstId: bigint;
  lastId: bigint;
  firstCalledAt: bigint;
  lastCalledAt: bigint;
}

/** A user's open cycle. The first-call fields are absent if it has no calls. */
export interface Open {
  user: string;
  nextCycle: number;
  calls: number;
  usage: bigint;
  firstId?: bigint;
  firstCalledAt?: bigint;
}

export interface Bills {
  cycles: Cycle[];
  open: Open[];
}

/**
 * Bills a whole log: divides each user's calls, in the order of their ids, into cycles. The result is sorted by user
 * and number.
 */
export function billNaively(log: readonly Call[], callsPerCycle: number): Bills {
  const cycles: Cycle[] = [];
  const open: Open[] = [];
  for (const [user, calls] of [...byUser(log)].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const closed = Math.floor(calls.length / callsPerCycle);
    for (let number = 1; number <= closed; number++) {
      const own = calls.slice((number - 1) * callsPerCycle, number * callsPerCycle);
      const [first, last] = [own[0]!, own.at(-1)!];
      cycles.push({
        user,
        number,
        usage: sumOfUsage(own),
        firstId: first.id,
        lastId: last.id,
        firstCalledAt: first.calledAt,
        lastCalledAt: last.calledAt,
      });
    }
    const rest = calls.slice(closed * callsPerCycle);
    open.push({
      user,
      nextCycle: closed + 1,
      calls: rest.length,
      usage: sumOfUsage(rest),
      ...(rest[0] === undefined ? {} : { firstId: rest[0].id, firstCalledAt: rest[0].calledAt }),
    });
  }
  return { cycles, open };
}

function byUser(log: readonly Call[]): Map<string, Call[]> {
  const users = new Map<string, Call[]>();
  for (const call of [...log].sort((one, other) => (one.id < other.id ? -1 : 1))) {
    users.set(call.user, [...(users.get(call.user) ?? []), call]);
  }
  return users;
}

export function sumOfUsage(calls: readonly Call[]): bigint {
  return calls.reduce((sum, call) => sum + call.usage, 0n);
}

/** sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)) mod 2^64, as 16 hexadecimal digits. */
export function digestNaively(calls: readonly Call[]): string {
  const sum = calls.reduce((total, { id, user, usage }) => {
    return total + hashInt8(id, hashBytes(Buffer.from(user, 'latin1')) ^ usage);
  }, 0n);
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

type Words = [a: bigint, b: bigint, c: bigint];

const u32 = (value: bigint) => BigInt.asUintN(32, value);
const rotate = (value: bigint, by: bigint) => u32(value << by) | (value >> (32n - by));
const start = (length: number): bigint => u32(0x9e3779b9n + BigInt(length) + 3923095n);

/** hashtextextended(text, 0): a signed 64-bit integer. */
export function hashBytes(bytes: Uint8Array): bigint {
  const word = (at: number) => [3, 2, 1, 0].reduce((value, i) => (value << 8n) | BigInt(bytes[at + i] ?? 0), 0n);
  let words: Words = [start(bytes.length), start(bytes.length), start(bytes.length)];
  let at = 0;
  for (; bytes.length - at >= 12; at += 12) {
    words = mix([u32(words[0] + word(at)), u32(words[1] + word(at + 4)), u32(words[2] + word(at + 8))]);
  }
  // The lowest byte of the last word is reserved for the length.
  return finish([u32(words[0] + word(at)), u32(words[1] + word(at + 4)), u32(words[2] + (word(at + 8) << 8n))]);
}

/** hashint8extended(value, seed): a signed 64-bit integer. */
export function hashInt8(value: bigint, seed: bigint): bigint {
  const low = u32(value) ^ (value >= 0n ? u32(value >> 32n) : u32(~(value >> 32n)));
  let words: Words = [start(4), start(4), start(4)];
  if (seed !== 0n) words = mix([u32(words[0] + u32(seed >> 32n)), u32(words[1] + u32(seed)), words[2]]);
  return finish([u32(words[0] + low), words[1], words[2]]);
}

function mix([a, b, c]: Words): Words {
  a = u32(a - c) ^ rotate(c, 4n);
  c = u32(c + b);
  b = u32(b - a) ^ rotate(a, 6n);
  a = u32(a + c);
  c = u32(c - b) ^ rotate(b, 8n);
  b = u32(b + a);
  a = u32(a - c) ^ rotate(c, 16n);
  c = u32(c + b);
  b = u32(b - a) ^ rotate(a, 19n);
  a = u32(a + c);
  c = u32(c - b) ^ rotate(b, 4n);
  b = u32(b + a);
  return [a, b, c];
}

function finish([a, b, c]: Words): bigint {
  c = u32((c ^ b) - rotate(b, 14n));
  a = u32((a ^ c) - rotate(c, 11n));
  b = u32((b ^ a) - rotate(a, 25n));
  c = u32((c ^ b) - rotate(b, 16n));
  a = u32((a ^ c) - rotate(c, 4n));
  b = u32((b ^ a) - rotate(a, 14n));
  c = u32((c ^ b) - rotate(b, 24n));
  return BigInt.asIntN(64, (b << 32n) | c);
}

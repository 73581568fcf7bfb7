/**
 * The calls of a bucket, read from segment after segment in the order of the log, a portion at a time, and each portion sorted by user:
 * a counting sort, which keeps the order of a user's calls.
 */
import { BucketUsers } from './bucket-users.js';
import { grown } from './grown.js';
import { type Segment, UserNumbers, unzigzag } from './segment.js';

const USERS_MIN = 256;
const CALLS_MIN = 4096;
/** Of a bucket with more calls, a user's cycles come in several batches, however few they are. */
export const PORTION_CALLS_MAX = 2 ** 17;

export class Portion {
  /** Of the bucket, so far. */
  readonly users = new BucketUsers();
  // The calls as they are read; ids as halves.
  idHi = new Int32Array(CALLS_MIN);
  idLo = new Int32Array(CALLS_MIN);
  usage = new Float64Array(CALLS_MIN);
  calledAt = new Float64Array(CALLS_MIN);
  #userOf = new Int32Array(CALLS_MIN);
  /** The calls by user, and where those of each user end in that order. */
  order = new Int32Array(CALLS_MIN);
  ends = new Int32Array(USERS_MIN);

  /** The segments that are still to be read of the bucket, and what is left of the current one. */
  #segments: readonly Segment[] = [];
  #bucket = 0;
  #next = 0;
  #segment: Segment | undefined;
  #left = 0;
  /** The position and the time of the call before; fields that are small integers at first, V8 compiles anew when they are not. */
  readonly #before = new Float64Array(2);
  readonly #numbers = new UserNumbers();

  /** Begins what these segments, in the order of the log, have of a bucket; users that are known keep their numbers. */
  begin(segments: readonly Segment[], bucket: number): void {
    this.#segments = segments;
    this.#bucket = bucket;
    this.#next = 0;
    this.#segment = undefined;
    this.#left = 0;
  }

  /** Reads some of the calls that are left; how many. */
  read(): number {
    const calls = this.#readSegments();
    if (calls > 0) this.#sort(calls);
    return calls;
  }

  #readSegments(): number {
    let calls = 0;
    while (calls < PORTION_CALLS_MAX) {
      if (this.#left === 0 && !this.#nextSegment()) break;
      const end = Math.min(calls + this.#left, PORTION_CALLS_MAX);
      if (end > this.order.length) this.#grow(end);
      this.#readCalls(calls, end);
      this.#left -= end - calls;
      calls = end;
      if (this.#left === 0) this.#segment!.checkEnd();
    }
    return calls;
  }

  #nextSegment(): boolean {
    while (this.#next < this.#segments.length) {
      const segment = this.#segments[this.#next++];
      if (!segment.seek(this.#bucket)) continue;
      segment.readUsers(this.users, this.#numbers);
      this.#segment = segment;
      this.#left = segment.readCalls();
      this.#before[0] = segment.baseLo;
      this.#before[1] = 0;
      if (this.#left > 0) return true;
      segment.checkEnd();
    }
    return false;
  }

  #readCalls(from: number, end: number): void {
    const segment = this.#segment!;
    const { reader, baseHi } = segment;
    const { of: numbers, count: users } = this.#numbers;
    const userOf = this.#userOf;
    const { idHi, idLo, usage, calledAt: calledAtOf } = this;
    const before = this.#before;
    let position = before[0];
    let calledAt = before[1];
    for (let call = from; call < end; call++) {
      const number = reader.next();
      if (number >= users) throw segment.malformed();
      userOf[call] = numbers[number];
      position += reader.next();
      usage[call] = reader.next();
      calledAt += unzigzag(reader.nextLow(), reader.high);
      const over = position < 4294967296 ? 0 : Math.floor(position / 4294967296);
      idHi[call] = baseHi + over;
      idLo[call] = position - over * 4294967296;
      calledAtOf[call] = calledAt;
    }
    before[0] = position;
    before[1] = calledAt;
  }

  #sort(calls: number): void {
    const users = this.users.count;
    if (users > this.ends.length) this.ends = new Int32Array(2 * users);
    const { ends, order } = this;
    const userOf = this.#userOf;
    ends.fill(0, 0, users);
    for (let call = 0; call < calls; call++) ends[userOf[call]]++;
    for (let user = 0, start = 0; user < users; user++) {
      const own = ends[user];
      ends[user] = start;
      start += own;
    }
    for (let call = 0; call < calls; call++) order[ends[userOf[call]]++] = call;
  }

  #grow(calls: number): void {
    const capacity = Math.max(calls, Math.min(2 * this.order.length, PORTION_CALLS_MAX));
    this.#userOf = grown(new Int32Array(capacity), this.#userOf);
    this.idHi = grown(new Int32Array(capacity), this.idHi);
    this.idLo = grown(new Int32Array(capacity), this.idLo);
    this.usage = grown(new Float64Array(capacity), this.usage);
    this.calledAt = grown(new Float64Array(capacity), this.calledAt);
    this.order = new Int32Array(capacity);
  }
}

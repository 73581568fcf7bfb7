import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fanOut } from '../../../src/workflows/fan-out.js';

/** Activities that end when the test says so. */
class Activities {
  readonly started: number[] = [];
  inFlight = 0;
  inFlightMost = 0;
  readonly #end = new Map<number, { resolve: (result: string) => void; reject: (error: Error) => void }>();

  readonly run = async (item: string, number: number): Promise<string> => {
    this.started.push(number);
    this.inFlightMost = Math.max(this.inFlightMost, ++this.inFlight);
    try {
      return await new Promise<string>((resolve, reject) => this.#end.set(number, { resolve, reject })).then(
        (result) => `${item} ${result}`,
      );
    } finally {
      this.inFlight--;
    }
  };

  get running(): number[] {
    return [...this.#end.keys()];
  }

  async complete(number: number): Promise<void> {
    this.#take(number).resolve(`done`);
    await settled();
  }

  async fail(number: number): Promise<void> {
    this.#take(number).reject(new Error(`activity ${number} failed`));
    await settled();
  }

  #take(number: number) {
    const end = this.#end.get(number)!;
    this.#end.delete(number);
    return end;
  }
}

/** Resolves after all promises that are ready have run, at the next turn of the event loop. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const items = ['a', 'b', 'c', 'd', 'e'];

describe('fanOut', () => {
  test('starts as many as may be in flight, and the next one whenever one ends', async () => {
    const activities = new Activities();
    const all = fanOut(items, { inFlightMax: 2 }, activities.run);
    expect(activities.started).toEqual([0, 1]);
    await activities.complete(1);
    expect(activities.started).toEqual([0, 1, 2]);
    await activities.complete(2);
    await activities.complete(0);
    expect(activities.started).toEqual([0, 1, 2, 3, 4]);
    await activities.complete(4);
    await activities.complete(3);
    expect(await all).toEqual(['a done', 'b done', 'c done', 'd done', 'e done']);
  });

  test('keeps results in the order of the items and never exceeds the limit, in whatever order activities end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(30),
        fc.integer({ min: 1, max: 8 }),
        fc.infiniteStream(fc.nat()),
        async (count, most, draws) => {
          const activities = new Activities();
          const numbers = Array.from({ length: count }, (_, i) => `${i}`);
          const all = fanOut(numbers, { inFlightMax: most }, activities.run);
          while (activities.running.length > 0) {
            expect(activities.running.length).toBeLessThanOrEqual(most);
            await activities.complete(activities.running[draws.next().value % activities.running.length]!);
          }
          expect(await all).toEqual(numbers.map((number) => `${number} done`));
          expect(activities.inFlightMost).toBe(Math.min(most, count));
        },
      ),
    );
  });

  test('starts no activity after one has failed, and fails with its error', async () => {
    const activities = new Activities();
    const all = fanOut(items, { inFlightMax: 2 }, activities.run);
    const failed = expect(all).rejects.toThrow('activity 1 failed');
    await activities.fail(1);
    await failed;
    await activities.complete(0);
    expect(activities.started).toEqual([0, 1]);
  });

  test('fails with the first error, however many follow', async () => {
    const activities = new Activities();
    const failed = expect(fanOut(items, { inFlightMax: 3 }, activities.run)).rejects.toThrow('activity 2 failed');
    await activities.fail(2);
    await activities.fail(0);
    await activities.fail(1);
    await failed;
    expect(activities.started).toEqual([0, 1, 2]);
  });

  test('runs only items without a result, and keeps the other results', async () => {
    const activities = new Activities();
    const results = [undefined, 'b before', undefined, 'd before'];
    const all = fanOut(items, { inFlightMax: 8, results }, activities.run);
    expect(activities.started).toEqual([0, 2, 4]);
    for (const number of [0, 2, 4]) await activities.complete(number);
    expect(await all).toEqual(['a done', 'b before', 'c done', 'd before', 'e done']);
    expect(results).toEqual(await all);
  });

  test('starts nothing while its gate is closed, and runs the remaining items when it opens', async () => {
    const activities = new Activities();
    let open: (() => void) | undefined;
    let shut: Promise<void> | undefined;
    const all = fanOut(items, { inFlightMax: 2, gate: () => shut }, activities.run);
    shut = new Promise((resolve) => {
      open = resolve;
    });
    await activities.complete(0);
    await activities.complete(1);
    expect(activities.started).toEqual([0, 1]);
    shut = undefined;
    open?.();
    await settled();
    expect(activities.started).toEqual([0, 1, 2, 3]);
    for (const number of [2, 3, 4]) await activities.complete(number);
    expect(await all).toHaveLength(5);
  });

  test('of no items ends at once', async () => {
    expect(await fanOut([], { inFlightMax: 100 }, () => Promise.reject(new Error('never run')))).toEqual([]);
  });
});

export interface FanOut<Result> {
  /** The results so far, by the item's number. Items that have one are not run; the others' results are stored here. */
  results?: (Result | undefined)[];
  inFlightMax: number;
  /** Called before each item; returns what to wait for, if anything. */
  gate?: () => Promise<void> | undefined;
  /** Called before each item. If true, no further item is begun; those in flight continue. */
  stopped?: (() => boolean) | undefined;
}

/**
 * Runs one activity per item, at most `inFlightMax` at a time. Returns the results in the order of the items, undefined
 * where `run` returned none. After a failure no further item is begun, and the first error is thrown.
 */
export async function fanOut<Item, Result>(
  items: readonly Item[],
  { results = [], inFlightMax, gate, stopped = () => false }: FanOut<Result>,
  run: (item: Item, number: number) => Promise<Result | undefined>,
): Promise<Result[]> {
  const waiting = [...items.keys()].filter((number) => results[number] === undefined);
  let failed = false;
  const lane = async () => {
    while (waiting.length > 0 && !failed && !stopped()) {
      try {
        const wait = gate?.();
        if (wait !== undefined) await wait;
        const number = failed || stopped() ? undefined : waiting.shift();
        if (number !== undefined) results[number] = await run(items[number], number);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlightMax, waiting.length) }, lane));
  return results as Result[];
}

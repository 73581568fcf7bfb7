export interface FanOut<Result> {
  /** Results so far, by the item's number; filled in, and what is there is not run again. */
  results?: (Result | undefined)[];
  inFlightMax: number;
  /** Asked before each item: what to wait for, if anything. */
  gate?: () => Promise<void> | undefined;
  /** Asked before each item: true if no further one is to be run; those under way end. */
  stopped?: () => boolean;
}

/** Runs one activity per item, at most `inFlightMax` at a time; results in the order of the items, undefined where none was returned. */
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

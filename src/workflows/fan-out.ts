/** Runs one activity per item, at most `inFlightMax` at a time; results in the order of the items. */
export async function fanOut<Item, Result>(
  items: readonly Item[],
  inFlightMax: number,
  run: (item: Item, number: number) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < items.length && !failed) {
      const number = next++;
      try {
        results[number] = await run(items[number], number);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlightMax, items.length) }, lane));
  return results;
}

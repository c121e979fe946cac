/** Work on many items of which a few are under way at a time. */

/**
 * Does something with every item, in order, with `lanes` of them under way.
 *
 * @throws what the first item in order that fails throws; no further item is begun then
 */
export async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const failures = new Map<number, unknown>();
  const lane = async (): Promise<void> => {
    while (next < items.length && failures.size === 0) {
      const index = next++;
      try {
        await work(items[index], index);
      } catch (reason) {
        failures.set(index, reason);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
  if (failures.size > 0) {
    throw failures.get(Math.min(...failures.keys()));
  }
}

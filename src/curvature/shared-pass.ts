/**
 * An `apply` for single vectors on top of one for several: vectors that are
 * asked for at the same time share a pass over the data; those that come
 * while a pass is under way share the next one.
 *
 * @param applyAll products of all vectors, in their order
 */
export function sharedPass(
  applyAll: (vectors: readonly (Float32Array | Float64Array)[]) => Promise<Float64Array[]>,
): (vector: Float32Array | Float64Array) => Promise<Float64Array> {
  interface Request {
    vector: Float32Array | Float64Array;
    resolve: (product: Float64Array) => void;
    reject: (error: unknown) => void;
  }
  let waiting: Request[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const requests = waiting;
      waiting = [];
      try {
        const products = await applyAll(requests.map(({ vector }) => vector));
        requests.forEach(({ resolve }, index) => {
          resolve(products[index]);
        });
      } catch (error) {
        for (const { reject } of requests) {
          reject(error);
        }
      }
    }
    running = false;
  };
  return (vector) =>
    new Promise((resolve, reject) => {
      waiting.push({ vector, resolve, reject });
      if (!running) {
        running = true;
        // The callers of this turn are all in line when it ends.
        queueMicrotask(run);
      }
    });
}

/** Rows of a matrix, sorted into classes of equal ones. */
export interface RowClasses {
  /** The class of every row; classes are numbered as they appear. */
  readonly classOf: Int32Array;
  /** A row of each class. */
  readonly representatives: readonly number[];
}

/** Factor of the Fowler-Noll-Vo hash. */
const FNV_PRIME = 16_777_619;

/**
 * Finds equal rows. Inside an image most positions are alike to a convolution,
 * so that it need be worked out for a few of them only.
 *
 * @param values row-major, `width` numbers a row
 */
export function rowClasses(values: Int32Array, width: number): RowClasses {
  const rows = values.length / width;
  const classOf = new Int32Array(rows);
  const representatives: number[] = [];
  const byHash = new Map<number, number[]>();
  const isEqual = (left: number, right: number): boolean => {
    for (let i = 0; i < width; i++) {
      if (values[left * width + i] !== values[right * width + i]) {
        return false;
      }
    }
    return true;
  };
  for (let row = 0; row < rows; row++) {
    let hash = 0;
    for (let i = row * width; i < (row + 1) * width; i++) {
      hash = Math.imul(hash ^ values[i], FNV_PRIME);
      // Counts differ in their low bits too, which products alone would never bring down from above.
      hash ^= hash >>> 15;
    }
    const candidates = byHash.get(hash) ?? [];
    let found = candidates.find((candidate) => isEqual(representatives[candidate], row));
    if (found === undefined) {
      found = representatives.length;
      representatives.push(row);
      byHash.set(hash, [...candidates, found]);
    }
    classOf[row] = found;
  }
  return { classOf, representatives };
}

/** A dense matrix of float64, row by row. */
export interface DenseMatrix {
  rows: number;
  columns: number;
  values: Float64Array;
}

/** Computes products of large matrices. */
export interface MatrixProducts {
  /** A B', A.rows x B.rows; A and B have as many columns. Sums are float64. */
  timesTransposed(left: DenseMatrix, right: DenseMatrix): Promise<Float64Array>;
}

/** Plain loops, for where nothing faster computes. */
export const plainProducts: MatrixProducts = {
  timesTransposed: async (left, right) => {
    const product = new Float64Array(left.rows * right.rows);
    const { columns } = left;
    // Two rows of each at once, so that every number that is loaded is used twice.
    for (let i = 0; i < left.rows; i += 2) {
      const a = left.values.subarray(i * columns, (i + 1) * columns);
      const b = i + 1 < left.rows ? left.values.subarray((i + 1) * columns, (i + 2) * columns) : a;
      for (let j = 0; j < right.rows; j += 2) {
        const c = right.values.subarray(j * columns, (j + 1) * columns);
        const d = j + 1 < right.rows ? right.values.subarray((j + 1) * columns, (j + 2) * columns) : c;
        let [ac, ad, bc, bd] = [0, 0, 0, 0];
        for (let k = 0; k < columns; k++) {
          ac += a[k] * c[k];
          ad += a[k] * d[k];
          bc += b[k] * c[k];
          bd += b[k] * d[k];
        }
        const at = i * right.rows + j;
        product[at] = ac;
        if (d !== c) {
          product[at + 1] = ad;
        }
        if (b !== a) {
          product[at + right.rows] = bc;
          if (d !== c) {
            product[at + right.rows + 1] = bd;
          }
        }
      }
    }
    return product;
  },
};

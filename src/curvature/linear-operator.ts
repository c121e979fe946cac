/**
 * A symmetric linear map on R^dim, known only by its action on vectors.
 *
 * Everything spectral sees a network through this interface, so that it can
 * be tested on explicit matrices.
 */
export interface LinearOperator {
  /** Dimension of the space the operator acts on. */
  readonly dim: number;
  /** Whether the map has no negative eigenvalue, but for rounding. Default false. */
  readonly positiveSemidefinite?: boolean;
  /**
   * The product of the operator with one vector.
   *
   * @param vector length `dim`; not modified, not kept
   * @returns a new array of length `dim`
   */
  apply(vector: Float32Array | Float64Array): Promise<Float64Array>;
}

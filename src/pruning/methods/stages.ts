/**
 * How many weights are pruned after each of T stages, rising by the cubic rule s_t = s - (s - s_0) (1 - t / T)^3,
 * t = 1 .. T (Zhu & Gupta 2017), to exactly the target.
 *
 * @param prunedWeights s D
 * @param start s_0, where that is below s
 */
export function cubicStages(
  prunedWeights: number,
  dimension: number,
  stages: number,
  start: number,
): number[] {
  const target = prunedWeights / dimension;
  const first = Math.min(start, target);
  return Array.from({ length: stages }, (_, t) =>
    t === stages - 1
      ? prunedWeights
      : Math.floor(dimension * (target - (target - first) * (1 - (t + 1) / stages) ** 3)),
  );
}

/** What an epoch of training reached; one line of `--log`. */
export interface EpochRecord {
  /** Counted from 1. */
  epoch: number;
  /** Steps done since the start of the run. */
  step: number;
  /** Mean loss, without penalties, of the training examples as they came. */
  loss: number;
  /** Share of them that was right; null for regression. */
  accuracy: number | null;
  /** Learning rate of the epoch's last step. */
  rate: number;
  /** null without a test split. */
  testLoss: number | null;
  testAccuracy: number | null;
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/**
 * A line for people.
 *
 * @param secondsLeft null where nothing is left
 */
export function epochLine(record: EpochRecord, epochs: number, secondsLeft: number | null): string {
  const { epoch, loss, accuracy, rate, testAccuracy } = record;
  const left =
    secondsLeft === null
      ? null
      : secondsLeft < 120
        ? `${Math.ceil(secondsLeft)} s left`
        : `${Math.ceil(secondsLeft / 60)} min left`;
  const parts = [
    `train loss ${loss.toPrecision(3)}`,
    accuracy === null ? null : `accuracy ${percent(accuracy)}`,
    testAccuracy === null ? null : `test accuracy ${percent(testAccuracy)}`,
    `rate ${Number(rate.toPrecision(3))}`,
    left,
  ];
  return `epoch ${epoch}/${epochs}: ${parts.filter((part) => part !== null).join(', ')}`;
}

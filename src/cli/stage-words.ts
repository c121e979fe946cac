/** How far a stage is, in words. */

/** What is known of a stage that runs. */
export interface StageState {
  total: number;
  /** The total is an upper bound. */
  atMost: boolean;
  done: number;
  /** What of it an earlier run has done. */
  before: number;
  /** How much there will be in all, where that can be told; less than the total. */
  expected: number | null;
  /** Milliseconds. */
  start: number;
}

/** `3 s`, `2 min 05 s`, `1 h 10 min` */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${two(whole % 60)} s`
    : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/**
 * `40 %, 12 s left`; for a stage that may end early `60 of up to 300, up to 48 s left`, or, where its end can be told,
 * `60 of about 85, 5 s left`; `...` where nothing is known.
 *
 * @param now milliseconds
 */
export function stageWords(state: StageState, now: number): string {
  const { done, before, expected, total, atMost } = state;
  if (total <= 1) {
    return '...';
  }
  const inAll = expected === null ? total : Math.max(expected, done);
  const own = done - before;
  const rest = own === 0 ? null : duration((((now - state.start) / 1000) * (inAll - done)) / own);
  if (expected !== null) {
    return `${done} of about ${Math.round(inAll)}${rest === null ? '' : `, ${rest} left`}`;
  }
  if (atMost) {
    return `${done} of up to ${total}${rest === null ? '' : `, up to ${rest} left`}`;
  }
  return `${Math.floor((100 * done) / total)} %${rest === null ? '' : `, ${rest} left`}`;
}

/** When the state of an analysis is written: often enough to lose little, seldom enough to cost little. */

/** Written after what took longer than this, and else this long after the last time, in seconds. */
const COSTLY_SECONDS = 1;
const INTERVAL_SECONDS = 10;
/** The part of the run's time that may go into it. */
const SHARE = 0.02;
/** Until it has been measured: bytes written and flushed in a second, and the least time of a flush. */
const USUAL_BYTES_PER_SECOND = 1e8;
const FLUSH_SECONDS = 0.02;
/** Of hashing and handing over to the system, what keeps a processor busy while products go on. */
const BUSY_BYTES_PER_SECOND = 5e8;

/** Decides when to write. */
export interface WritingPace {
  /**
   * Asked between costly computations, after each of them.
   *
   * @param bytes that would be written
   * @returns whether to write
   */
  due(bytes: number): boolean;
  /** Whether so many bytes may be written at all by now. */
  affords(bytes: number): boolean;
  /** Whether the run may wait for so many bytes to be on the disk; else it goes on meanwhile. */
  waits(bytes: number): boolean;
  /** So many bytes were handed over, or could not be. */
  began(bytes: number): void;
  /** They took so many seconds until they were on the disk. */
  wrote(bytes: number, seconds: number): void;
}

/** A pace that writes every result at once. */
export const eagerPace: WritingPace = {
  due: () => true,
  affords: () => true,
  waits: () => true,
  began: () => {},
  wrote: () => {},
};

/**
 * A pace that keeps to 2 % of the run's processor time: products of a small network that keeps all its Lanczos vectors
 * can make bytes faster than that, and are then written less and less often, or not at all.
 *
 * @param now seconds, from anywhere
 */
export function writingPace(now: () => number = () => performance.now() / 1000): WritingPace {
  const started = now();
  let lastAsked = started;
  let lastBegan = started;
  let busySeconds = 0;
  let bytesPerSecond = USUAL_BYTES_PER_SECOND;
  const affords = (bytes: number): boolean =>
    busySeconds + bytes / BUSY_BYTES_PER_SECOND <= SHARE * (now() - started);
  return {
    affords,
    due: (bytes) => {
      const time = now();
      const costly = time - lastAsked > COSTLY_SECONDS;
      lastAsked = time;
      return (costly || time - lastBegan >= INTERVAL_SECONDS) && affords(bytes);
    },
    waits: (bytes) => FLUSH_SECONDS + bytes / bytesPerSecond <= SHARE * (now() - lastBegan),
    began: (bytes) => {
      lastBegan = now();
      busySeconds += bytes / BUSY_BYTES_PER_SECOND;
    },
    wrote: (bytes, seconds) => {
      // Small writes say nothing of the rate.
      if (seconds > FLUSH_SECONDS) {
        bytesPerSecond = Math.max(1, bytes / (seconds - FLUSH_SECONDS / 2), USUAL_BYTES_PER_SECOND / 100);
      }
    },
  };
}

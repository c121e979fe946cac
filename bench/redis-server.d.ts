/** Whether a Redis server is installed. */
export declare const hasRedis: boolean;

/** A port of the loopback that nothing listens at. */
export declare function freePort(): Promise<number>;

export interface OwnRedis {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** Kills it at once, with all that it has in memory. */
  kill(): Promise<void>;
  /** Starts it again after that. */
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Kills it for good. */
  close(): Promise<void>;
}

/**
 * Starts a Redis server on a free loopback port that keeps nothing on disk.
 *
 * @param options of its command line, which are last
 */
export declare function openRedis(...options: string[]): Promise<OwnRedis>;

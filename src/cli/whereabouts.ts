/** Where a run is, told to the process that watches over it: that one has the last word when the run is interrupted. */
import type { Host } from './host.js';
import type { ShownProgress } from './progress.js';

/** Milliseconds between two words of the same stage. */
const INTERVAL = 1000;

/** A progress that tells, besides, which stage a run is in and how far, where another process watches over it. */
export function toldProgress(progress: ShownProgress, host: Pick<Host, 'send' | 'connected'>): ShownProgress {
  if (host.send === undefined) {
    return progress;
  }
  let lastTold = Number.NEGATIVE_INFINITY;
  const tell = (words: string): void => {
    lastTold = performance.now();
    if (host.connected) {
      host.send?.(words);
    }
  };
  return {
    ...progress,
    stage: (name, total, options) => {
      const stage = progress.stage(name, total, options);
      tell(name);
      return {
        ...stage,
        update: (done, expected) => {
          stage.update(done, expected);
          if (total > 1 && performance.now() - lastTold >= INTERVAL) {
            tell(`${name}, ${Math.floor(done)} of ${options?.atMost ? 'up to ' : ''}${total}`);
          }
        },
      };
    },
  };
}

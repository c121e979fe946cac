/** Shows progress on stderr: a live bar on a terminal, else a few lines. */
import { SingleBar } from 'cli-progress';
import type { InputError } from '../errors.js';
import { type Progress, type ProgressStage, silentProgress } from '../progress.js';
import { printable } from '../report/text.js';
import type { OutputStream } from './host.js';

/** A line of progress is worth its place after this share of the total and this time, both. */
const lineShare = 0.1 - 1e-9; // rounding must not cost a line
const lineSeconds = 30;

export interface ShownProgress extends Progress {
  /** What `unwritten` was told. */
  readonly unwrittenOutputs: readonly InputError[];
  /** Takes the bar away; nothing is shown afterwards. */
  close(): void;
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

function share(done: number, total: number): number {
  return total > 0 ? Math.min(1, Math.max(0, done / total)) : 1;
}

function remaining(elapsedSeconds: number, done: number, total: number): string {
  const part = share(done, total);
  return part > 0 ? duration((elapsedSeconds * (1 - part)) / part) : 'unknown';
}

/** A `Progress` that shows itself, but does not remember what was not written. */
type Display = Omit<ShownProgress, 'unwritten' | 'unwrittenOutputs'>;

function lineProgress(stream: OutputStream, now: () => number): Display {
  let open = true;
  const line = (text: string): void => {
    if (open) {
      stream.write(`${printable(text)}\n`);
    }
  };
  return {
    stage(name, total) {
      const start = now();
      let lastTime = start;
      let lastShare = 0;
      let running = true;
      line(`${name} ...`);
      return {
        update(done) {
          const part = share(done, total);
          const time = now();
          if (!running || part - lastShare < lineShare || time - lastTime < 1000 * lineSeconds) {
            return;
          }
          lastTime = time;
          lastShare = part;
          const left = remaining((time - start) / 1000, done, total);
          line(`${name}: ${Math.floor(100 * part)} %, ${left} left`);
        },
        end() {
          if (running) {
            running = false;
            line(`${name}: done in ${duration((now() - start) / 1000)}`);
          }
        },
      };
    },
    note: (message) => line(`note: ${message}`),
    close() {
      open = false;
    },
  };
}

interface LiveStage {
  name: string;
  total: number;
  done: number;
  start: number;
}

function liveProgress(stream: OutputStream, now: () => number): Display {
  /** Stages that run; the last one is shown. */
  const stages: LiveStage[] = [];
  let bar: SingleBar | null = null;
  let open = true;

  const payload = (stage: LiveStage): { name: string; left: string } => ({
    name: printable(stage.name),
    left: remaining((now() - stage.start) / 1000, stage.done, stage.total),
  });
  const hide = (): void => {
    bar?.stop();
    bar = null;
  };
  const show = (): void => {
    const stage = stages.at(-1);
    if (!open || stage === undefined) {
      return;
    }
    bar = new SingleBar({
      stream,
      format: '{name} {bar} {percentage} %, {left} left',
      barsize: 30,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      clearOnComplete: true,
      gracefulExit: false,
      hideCursor: null,
    });
    bar.start(Math.max(stage.total, 1), stage.done, payload(stage));
  };
  const redraw = (change: () => void): void => {
    hide();
    change();
    show();
  };

  return {
    stage(name, total): ProgressStage {
      const stage: LiveStage = { name, total, done: 0, start: now() };
      redraw(() => stages.push(stage));
      return {
        update(done) {
          stage.done = Math.min(done, stage.total);
          if (stages.at(-1) === stage) {
            bar?.update(stage.done, payload(stage));
          }
        },
        end() {
          const index = stages.indexOf(stage);
          if (index >= 0) {
            redraw(() => stages.splice(index, 1));
          }
        },
      };
    },
    note(message) {
      if (open) {
        redraw(() => stream.write(`note: ${printable(message)}\n`));
      }
    },
    close() {
      hide();
      open = false;
    },
  };
}

/** Progress on a stream: a live bar with the time left on a terminal, else a line now and then; nothing when quiet. */
export function createProgress(options: {
  stream: OutputStream;
  quiet: boolean;
  /** Milliseconds; for tests. */
  now?: () => number;
}): ShownProgress {
  const { stream, quiet, now = Date.now } = options;
  const unwrittenOutputs: InputError[] = [];
  const display: Display = quiet
    ? { ...silentProgress, close: () => {} }
    : stream.isTTY
      ? liveProgress(stream, now)
      : lineProgress(stream, now);
  return {
    ...display,
    unwrittenOutputs,
    unwritten: (error) => {
      unwrittenOutputs.push(error);
    },
  };
}

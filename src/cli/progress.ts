/** Shows progress on stderr: a live bar on a terminal, else a line for what takes its time. */
import { SingleBar } from 'cli-progress';
import type { InputError } from '../errors.js';
import { type Progress, type ProgressStage, type StageOptions, silentProgress } from '../progress.js';
import { printable } from '../report/text.js';
import { shortened } from '../report/wrap.js';
import type { OutputStream } from './host.js';
import { duration, type StageState, stageWords } from './stage-words.js';

/** A line of progress is worth its place after this share of the total and this time, both. */
const lineShare = 0.1 - 1e-9; // rounding must not cost a line
const lineSeconds = 30;
/** A stage that took less is not worth a line. */
const leastSeconds = 1;

export interface ShownProgress extends Progress {
  /** What `unwritten` was told. */
  readonly unwrittenOutputs: readonly InputError[];
  /** Takes the bar away; nothing is shown afterwards. */
  close(): void;
}

/** A `Progress` that shows itself, but does not remember what was not written. */
type Display = Omit<ShownProgress, 'unwritten' | 'unwrittenOutputs'>;

/** Says of stages which they are, of those that were planned. */
type Namer = (name: string) => string;

function namer(plan: readonly string[]): Namer {
  return (name) => {
    const place = plan.indexOf(name) + 1;
    return place > 0 && plan.length > 1 ? `${place} of ${plan.length}: ${name}` : name;
  };
}

function newState(total: number, options: StageOptions | undefined, now: number): StageState {
  const { atMost = false, before = 0 } = options ?? {};
  return { total, atMost, done: before, before, expected: null, start: now };
}

function advance(state: StageState, done: number, expected: number | null | undefined): void {
  state.done = Math.min(Math.max(done, state.before), state.total);
  state.expected = expected ?? null;
}

function lineProgress(stream: OutputStream, nameOf: Namer, now: () => number): Display {
  let open = true;
  const line = (text: string): void => {
    if (open) {
      stream.write(`${printable(text)}\n`);
    }
  };
  return {
    stage(name, total, options) {
      const state = newState(total, options, now());
      let lastTime = state.start;
      let lastShare = 0;
      let running = true;
      return {
        update(done, expected) {
          advance(state, done, expected);
          const share = state.done / Math.max(1, state.total);
          const time = now();
          if (!running || share - lastShare < lineShare || time - lastTime < 1000 * lineSeconds) {
            return;
          }
          lastTime = time;
          lastShare = share;
          line(`${nameOf(name)}: ${stageWords(state, time)}`);
        },
        end() {
          const seconds = (now() - state.start) / 1000;
          if (running && seconds >= leastSeconds) {
            line(`${nameOf(name)}: done in ${duration(seconds)}`);
          }
          running = false;
        },
      };
    },
    note: (message) => line(`note: ${message}`),
    close() {
      open = false;
    },
  };
}

/** Columns of a bar, and the fewest that are worth one. */
const barColumns = 30;
const fewestBarColumns = 8;
/** What the words behind a bar take at most, as a rule. */
const wordColumns = 38;

/** A bar with `done` of `total`, and words on either side, in one line of a terminal. */
function startBar(
  stream: OutputStream,
  columns: number,
  name: string,
  state: StageState,
  words: string,
): SingleBar {
  const unknown = state.total <= 1;
  const room = columns - name.length - wordColumns - 3;
  const barsize = unknown || room < fewestBarColumns ? 0 : Math.min(barColumns, room);
  const bar = new SingleBar({
    stream,
    format: barsize === 0 ? '{name} {words}' : '{name} {bar} {words}',
    barsize,
    barCompleteChar: '#',
    barIncompleteChar: '-',
    clearOnComplete: true,
    gracefulExit: false,
    hideCursor: null,
  });
  bar.start(Math.max(state.total, 1), state.done, { name, words });
  return bar;
}

interface LiveStage {
  name: string;
  state: StageState;
}

function liveProgress(stream: OutputStream, width: () => number, nameOf: Namer, now: () => number): Display {
  /** Stages that run; the last one is shown. */
  const stages: LiveStage[] = [];
  let bar: SingleBar | null = null;
  let open = true;

  const labels = ({ name, state }: LiveStage): { name: string; words: string } => {
    const words = stageWords(state, now());
    return { name: shortened(printable(name), Math.max(1, width() - 2 - words.length)), words };
  };
  const hide = (): void => {
    bar?.stop();
    bar = null;
  };
  const show = (): void => {
    const stage = stages.at(-1);
    if (open && stage !== undefined) {
      const { name, words } = labels(stage);
      bar = startBar(stream, width(), name, stage.state, words);
    }
  };
  const redraw = (change: () => void): void => {
    hide();
    change();
    show();
  };

  return {
    stage(name, total, options): ProgressStage {
      const stage: LiveStage = { name: nameOf(name), state: newState(total, options, now()) };
      redraw(() => stages.push(stage));
      return {
        update(done, expected) {
          const { state } = stage;
          advance(state, done, expected);
          if (bar !== null && stages.at(-1) === stage) {
            bar.setTotal(Math.max(1, state.expected ?? state.total));
            bar.update(state.done, labels(stage));
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

/**
 * Progress on a stream: a live bar with the time left on a terminal, else a line for each stage that took over a
 * second, and now and then in a long one; nothing when quiet.
 *
 * @param options.plan names of the stages to come, in order: they are numbered
 */
export function createProgress(options: {
  stream: OutputStream;
  quiet: boolean;
  plan?: readonly string[];
  /** Columns of the terminal; 80 unless given. */
  width?: () => number;
  /** Milliseconds; for tests. */
  now?: () => number;
}): ShownProgress {
  const { stream, quiet, plan = [], width = () => 80, now = Date.now } = options;
  const unwrittenOutputs: InputError[] = [];
  const display: Display = quiet
    ? { ...silentProgress, close: () => {} }
    : stream.isTTY
      ? liveProgress(stream, width, namer(plan), now)
      : lineProgress(stream, namer(plan), now);
  return {
    ...display,
    unwrittenOutputs,
    unwritten: (error) => {
      unwrittenOutputs.push(error);
    },
  };
}

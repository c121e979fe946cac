/** How gates name a field of a report: `limits.slice.pruned`, `curve[pruned=0.9].accuracy`. */
import { InputError } from '../errors.js';
import { printable } from '../report/text.js';

/** One step of a path: a field, a place in a list, or the first entry of a list whose field has a value. */
export type PathStep =
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'entry'; field: string; value: string };

const stepPattern = /\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\[([A-Za-z_]\w*)=([^\][]+)\]/y;

/** The usual numbers by a short name. */
export const shortNames: Readonly<Record<string, string>> = {
  slice: 'limits.slice.pruned',
  gaussianWidth: 'limits.gaussianWidth.pruned',
  sharp: 'limits.sharp.pruned',
  connected: 'limits.connected.pruned',
  loss: 'loss.value',
  accuracy: 'accuracy.test',
  sparsity: 'pruned.sparsity',
  headroom: 'pruned.headroom',
};

/**
 * Reads a path, or a short name for one.
 *
 * @throws InputError `gate/path` where it is none
 */
export function parsePath(text: string): PathStep[] {
  const path = Object.hasOwn(shortNames, text) ? shortNames[text]! : text;
  const steps: PathStep[] = [];
  stepPattern.lastIndex = 0;
  while (stepPattern.lastIndex < path.length) {
    const found = path.startsWith('.') && steps.length === 0 ? null : stepPattern.exec(path);
    if (found === null) {
      break;
    }
    const [, name, index, field, value] = found;
    if (name !== undefined) {
      steps.push({ kind: 'field', name });
    } else if (index !== undefined) {
      steps.push({ kind: 'index', index: Number(index) });
    } else {
      steps.push({ kind: 'entry', field: field!, value: value!.trim() });
    }
    if (stepPattern.lastIndex === path.length) {
      return steps;
    }
  }
  throw new InputError(
    'gate/path',
    `${printable(JSON.stringify(text))} names no field of a report; write for example limits.slice.pruned, accuracy.test or curve[pruned=0.9].accuracy`,
  );
}

function formatStep(step: PathStep): string {
  switch (step.kind) {
    case 'field':
      return `.${step.name}`;
    case 'index':
      return `[${step.index}]`;
    case 'entry':
      return `[${step.field}=${step.value}]`;
  }
}

/** A path as it is written. */
export function formatPath(steps: readonly PathStep[]): string {
  return steps.map(formatStep).join('').replace(/^\./, '');
}

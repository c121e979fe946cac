/** What the results in a state file belong to: model, data, options and what computes, in words that can be compared. */
import { createHash } from 'node:crypto';
import { availableParallelism, cpus } from 'node:os';
import { z } from 'zod';
import type { Checkpoint } from '../../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../../config.js';
import type { Split } from '../../dataset/dataset.js';
import { InputError } from '../../errors.js';
import { toolVersion } from '../../tool-version.js';
import type { Problem } from '../problem.js';

/** Named values in the order in which differences are told; and the processor, which may differ. */
export interface StateIdentity {
  values: [name: string, value: string][];
  processor: string;
}

const identitySchema = z.object({
  values: z.array(z.tuple([z.string(), z.string()])).max(100),
  processor: z.string(),
}) satisfies z.ZodType<StateIdentity>;

/** Hex SHA-256 over everything of a split: an example that is added may be among those that are drawn. */
function splitDigest(split: Split | null): string {
  if (split === null) {
    return 'none';
  }
  const { values, labels, count, shape, layout, byteImages } = split;
  const { values: labelValues, ...kind } = labels;
  const hash = createHash('sha256');
  hash.update(JSON.stringify({ count, shape, layout, byteImages, kind, type: values.constructor.name }));
  for (const array of [values, labelValues]) {
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}

/** An option as it is given, or near enough to be found again. */
function inWords(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/**
 * The identity of an analysis. Options are left out that decide only what is asked of the network, such as `--epsilon`
 * and `--ratios`: results that still hold are found by what they were computed from.
 */
export function identityOf(
  config: AnalyzeConfig,
  checkpoint: Pick<Checkpoint, 'sha256'>,
  { engine, dataset, loss }: Pick<Problem, 'engine' | 'dataset' | 'loss'>,
): StateIdentity {
  const options: [string, unknown][] = [
    ['--label-column', config.labelColumn],
    ['--layout', config.layout],
    ['--normalize', config.normalize],
    ['--loss', loss],
    ['--examples', config.examples],
    ['--sample', config.sample],
    ['--test-examples', config.testExamples],
    ['--curvature', config.curvature],
    ['--include', config.include],
    ['--exclude', config.exclude],
    ['--seed', config.seed],
    ['--backend', engine.backend],
    ['--threads', engine.threads || `those of ${availableParallelism()} processors`],
  ];
  const versions = { node: process.version, ...engine.versions };
  return {
    values: [
      ['the version of prune-limit', toolVersion()],
      ['the SHA-256 of the model', checkpoint.sha256],
      ...options.map(([name, value]): [string, string] => [name, inWords(value)]),
      ['the SHA-256 of the training data', splitDigest(dataset.train)],
      ['the SHA-256 of the test data', splitDigest(dataset.test)],
      ...Object.entries(versions).map(([name, value]): [string, string] => [`the version of ${name}`, value]),
    ],
    processor: cpus()[0]?.model ?? 'unknown',
  };
}

/** An identity as bytes. */
export function encodeIdentity(identity: StateIdentity): Uint8Array {
  return Buffer.from(JSON.stringify(identity));
}

/** An identity from bytes; null where they are none. */
export function decodeIdentity(bytes: Uint8Array): StateIdentity | null {
  try {
    return identitySchema.safeParse(JSON.parse(Buffer.from(bytes).toString())).data ?? null;
  } catch {
    return null;
  }
}

/** Characters of a value that a message shows. */
const SHOWN = 48;

function shown(value: string | undefined): string {
  if (value === undefined) {
    return 'not known';
  }
  const whole = /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}..` : value;
  return whole.length > SHOWN ? `${whole.slice(0, SHOWN)}..` : whole;
}

/**
 * Refuses results that are of something else.
 *
 * @param path of the state file, for the message
 * @throws InputError `resume/other-run` that names the first difference
 */
export function requireSame(kept: StateIdentity, own: StateIdentity, path: string): void {
  const before = new Map(kept.values);
  const now = new Map(own.values);
  for (const name of new Set([...now.keys(), ...before.keys()])) {
    if (before.get(name) !== now.get(name)) {
      throw new InputError(
        'resume/other-run',
        `--resume ${path}: is of another run: ${name} was ${shown(before.get(name))} and is ${shown(now.get(name))}; run as then, name another file, or remove it to begin anew`,
      );
    }
  }
}

/** Gates and the baseline that a configuration file names. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { type Gate, type GateTexts, readGates } from '../gate/run-gates.js';
import { type Flags, findConfigFile, pathFrom } from './resolve-config.js';
import { suggestion } from './suggestion.js';
import { shownValue } from './values.js';

const kinds = ['require', 'maxDrop', 'maxRise'] as const satisfies readonly (keyof GateTexts)[];

/** Gates as a configuration file writes them. */
export interface ConfiguredGates {
  /** The file, for messages. */
  file: string;
  gates: Gate[];
  /** Seen from the working directory; null where the file names none. */
  baseline: string | null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(where: string, value: unknown, why: string): InputError {
  return new InputError(
    'config/value',
    `${where}: ${shownValue(value)} ${why}; for example "slice >= 0.9" or {"maxDrop": "slice 2 points", "level": "warn"}`,
  );
}

function readGate(entry: unknown, where: string): Gate[] {
  const fields = typeof entry === 'string' ? { require: entry } : entry;
  if (!isRecord(fields)) {
    throw refused(where, entry, 'is neither text nor an object');
  }
  const known = [...kinds, 'level'];
  const unknown = Object.keys(fields).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new InputError(
      'config/unknown-key',
      `${where}: unknown key ${suggestion(unknown, known, `known are ${known.join(', ')}`)}`,
    );
  }
  const [kind, ...others] = kinds.filter((name) => fields[name] !== undefined);
  if (kind === undefined || others.length > 0) {
    throw refused(where, entry, `needs one of ${kinds.join(', ')}`);
  }
  const text = fields[kind];
  if (typeof text !== 'string') {
    throw refused(`${where}.${kind}`, text, 'is no text');
  }
  const { level = 'error' } = fields;
  if (level !== 'error' && level !== 'warn') {
    throw refused(`${where}.level`, level, 'is neither error nor warn');
  }
  try {
    return readGates({ [kind]: [text] }, level);
  } catch (error) {
    throw error instanceof InputError ? new InputError(error.code, `${where}: ${error.message}`) : error;
  }
}

/**
 * The key `gate` of a configuration file.
 *
 * @throws InputError `config/value`, `config/unknown-key`, `gate/requirement` with the place of the entry that is wrong
 */
export function readConfiguredGates(value: unknown, file: string): Gate[] {
  if (value === undefined || value === null) {
    return [];
  }
  if (!Array.isArray(value)) {
    throw refused(`${file}: "gate"`, value, 'is no list');
  }
  return value.flatMap((entry, index) => readGate(entry, `${file}: gate[${index}]`));
}

/**
 * Gates of the configuration file that `--config` names, else of the one next to what is judged (a model), else of
 * the one in the working directory.
 *
 * @param model path of what is judged; null for a report, which has no configuration beside it
 * @returns null where there is no such file
 * @throws InputError where the file, or one of its gates, cannot be read
 */
export async function findConfiguredGates(
  flags: Flags,
  model: string | null,
  cwd: string,
): Promise<ConfiguredGates | null> {
  const isFolder = model !== null && (await stat(model).catch(() => null))?.isDirectory() === true;
  const beside = model === null || isFolder ? model : dirname(model);
  const found = await findConfigFile(flags, beside, cwd);
  if (found === null) {
    return null;
  }
  const { file, directory, values } = found;
  const baseline = values.baseline ?? null;
  if (baseline !== null && (typeof baseline !== 'string' || baseline === '')) {
    throw new InputError(
      'config/value',
      `${file}: "baseline": ${shownValue(baseline)} is no path; for example "baseline.json"`,
    );
  }
  return {
    file,
    gates: readConfiguredGates(values.gate, file),
    baseline: baseline === null ? null : pathFrom(directory, baseline),
  };
}

/** The keys as an editor checks them. */
export const gateKeySchemas = {
  gate: z
    .array(
      z.union([
        z.string(),
        ...kinds.map((kind) =>
          z.strictObject({ [kind]: z.string(), level: z.enum(['error', 'warn']).optional() }),
        ),
      ]),
    )
    .nullish()
    .describe(
      'what the command gate asks for where no option does; warn: told, without a part in the verdict',
    ),
  baseline: z.string().nullish().describe('JSON report that gates of change are measured from'),
};

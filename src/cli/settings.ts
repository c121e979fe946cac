/**
 * A setting of a command: its option, its key in configuration files, how it is
 * read, its help and examples of right values, described once.
 */
import { InputError } from '../errors.js';
import { type Reader, shownValue, ValueError } from './values.js';

export interface Setting<T> {
  /** Name of the option without dashes, e.g. `label-column`. */
  option: string;
  /** One letter, e.g. `o`. */
  short?: string;
  /** Placeholder of the value in help, e.g. `NAME`; none: the option takes no value, given it is `true`. */
  value?: string;
  /** The option needs no value: given without, it is `true`. */
  valueOptional?: true;
  help: string;
  /** As shown in help; none where being absent needs no words. */
  defaultText?: string;
  /** Right values, for messages. */
  examples: readonly [string, ...string[]];
  read: Reader<T>;
  /** The option may be repeated; its values arrive as an array. */
  repeatable?: boolean;
  /** The value is a path, relative to the file that names it. */
  path?: boolean;
}

export type Settings<Config> = { [Key in keyof Config]-?: Setting<Exclude<Config[Key], null>> };

/** The key of an option in configuration files, as in commander's options: `label-column` is `labelColumn`. */
export function settingKey(setting: { option: string }): string {
  return setting.option.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Reads one value, adding to an error where the value stands and how a right one looks.
 *
 * @param file the file that holds the value; null for the option itself
 */
export function readSetting<T>(setting: Setting<T>, value: unknown, file: string | null): T {
  try {
    return setting.read(value);
  } catch (error) {
    if (!(error instanceof ValueError)) {
      throw error;
    }
    const option = `--${setting.option}`;
    const where = file === null ? option : `${file}: "${settingKey(setting)}"`;
    const right =
      file === null
        ? setting.examples.map((example) => `${option} ${example}`).join(', ')
        : setting.examples.map((example) => JSON.stringify(example.replaceAll('"', ''))).join(', ');
    throw new InputError(
      file === null ? 'usage/option-value' : 'config/value',
      `${where}: ${shownValue(value)} ${error.message}; for example ${right}`,
    );
  }
}

/** Reads the options that were given; the rest is absent from the result. */
export function readFlags<Config>(
  settings: Settings<Config>,
  flags: Readonly<Record<string, unknown>>,
): Partial<Config> {
  const result: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(settings) as [string, Setting<unknown>][]) {
    const given = flags[settingKey(setting)];
    if (given !== undefined) {
      result[key] = readSetting(setting, given, null);
    }
  }
  return result as Partial<Config>;
}

/** Options on commander commands, made from settings. */
import { type Command, Option } from 'commander';
import type { Setting, Settings } from './settings.js';
import { oneOf } from './values.js';

/** `--format` of `analyze`. */
export const outputFormat: Setting<'table' | 'json' | 'markdown'> = {
  option: 'format',
  value: 'table|json|markdown',
  help: 'what is written to stdout',
  defaultText: 'table',
  examples: ['table', 'json'],
  read: oneOf('table', 'json', 'markdown'),
};

/** `--format` of the commands that print a summary. */
export const summaryFormat: Setting<'table' | 'json'> = {
  option: 'format',
  value: 'table|json',
  help: 'what is written to stdout',
  defaultText: 'table',
  examples: ['table', 'json'],
  read: oneOf('table', 'json'),
};

/** Adds an option for a setting to a command. */
export function addOption(command: Command, setting: Setting<never> | Setting<unknown>): void {
  const short = setting.short === undefined ? '' : `-${setting.short}, `;
  const help =
    setting.defaultText === undefined ? setting.help : `${setting.help} (default: ${setting.defaultText})`;
  const placeholder = setting.valueOptional ? ` [${setting.value}]` : ` <${setting.value}>`;
  const value = setting.value === undefined ? '' : placeholder;
  const option = new Option(`${short}--${setting.option}${value}`, help);
  if (setting.repeatable) {
    option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
  }
  command.addOption(option);
}

/** Adds options under a heading of the help. */
export function addOptionGroup<Config, Key extends keyof Config & string>(
  command: Command,
  heading: string,
  settings: Settings<Config>,
  keys: readonly Key[],
): void {
  command.optionsGroup(heading);
  for (const key of keys) {
    addOption(command, settings[key] as Setting<unknown>);
  }
}

/** The options on how to speak, last in the help of every command. */
export function addOutputOptions(
  command: Command,
  format: Setting<string>,
  files: readonly [flags: string, help: string][] = [],
): void {
  command.optionsGroup('Output:');
  addOption(command, format as Setting<unknown>);
  for (const [flags, help] of files) {
    command.option(flags, help);
  }
  command
    .option('-q, --quiet', 'no progress and no notes on stderr')
    .option('--no-color', 'no colour (as with NO_COLOR; FORCE_COLOR turns it on)')
    .helpOption('-h, --help', 'show this help');
}

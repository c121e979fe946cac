/** Completion of command lines in shells: the script for a shell, and the command that it asks for words. */
import { basename } from 'node:path';
import { Argument, type Command, type Option } from 'commander';
import { limitChoices } from '../report/limit-choices.js';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** What the scripts of the library take for names of files, by the shell. In bash, no words at all. */
const FILES = '__tabtab_complete_files__';

/** Placeholders of values that are files or folders. */
const PATHS = /^(PATH|FILE|DIR)$/;

/** A word that may stand where the cursor is. */
export interface Completion {
  name: string;
  description?: string;
}

/** `FILE` of `-o, --output <FILE>`; null for a flag. */
function placeholderOf({ flags }: Option): string | null {
  return /[<[]([^>\]]*)[>\]]$/.exec(flags)?.[1] ?? null;
}

/** The words that the value of an option may be, as its placeholder lists them, or `files`; empty where any will do. */
function valuesOf(option: Option): Completion[] | 'files' {
  const placeholder = placeholderOf(option) ?? '';
  if (PATHS.test(placeholder)) {
    return 'files';
  }
  const listed = placeholder.includes('|') ? placeholder.split('|') : [];
  const choices = option.long === '--at-limit' ? limitChoices : (option.argChoices ?? listed);
  return choices.map((name) => ({ name }));
}

function commandNames(program: Command): Completion[] {
  const commands = program.createHelp().visibleCommands(program);
  return commands.map((command) => ({
    name: command.name(),
    description: command.summary() || command.description(),
  }));
}

function optionNames(options: readonly Option[]): Completion[] {
  return options.flatMap(({ short, long, description }) =>
    [long, short]
      .filter((name) => name !== undefined && name !== null)
      .map((name) => ({ name, description })),
  );
}

/**
 * Words that may stand where the cursor is, or `files` where names of files may.
 *
 * @param words of the command line behind the program's name, the last one up to the cursor
 */
export function completionsOf(program: Command, words: readonly string[]): Completion[] | 'files' {
  const typed = words.at(-1) ?? '';
  const [first, ...given] = words.slice(0, -1);
  const starting = (found: Completion[]): Completion[] => found.filter(({ name }) => name.startsWith(typed));
  const command = program.commands.find((candidate) => candidate.name() === first);
  const shown = command ?? program;
  const options = shown.createHelp().visibleOptions(shown);
  const optionOf = (word: string): Option | undefined =>
    options.find(({ short, long }) => word === short || word === long);
  const takesNext = (word: string | undefined): Option | undefined => {
    const option = word === undefined ? undefined : optionOf(word);
    return option === undefined || placeholderOf(option) === null ? undefined : option;
  };
  if (typed.startsWith('-')) {
    const [name = '', value] = typed.split('=', 2);
    const option = value === undefined ? undefined : takesNext(name);
    const values = option === undefined ? optionNames(options) : valuesOf(option);
    if (option === undefined || values === 'files') {
      return values === 'files' ? values : starting(values);
    }
    return starting(values.map((choice) => ({ name: `${name}=${choice.name}` })));
  }
  if (first === undefined || first === 'help') {
    return starting(commandNames(program));
  }
  const option = takesNext(given.at(-1));
  if (option !== undefined) {
    const values = valuesOf(option);
    return values === 'files' ? values : starting(values);
  }
  const arguments_ = given.filter((word, i) => !word.startsWith('-') && !takesNext(given[i - 1]));
  const choices = command?.registeredArguments[arguments_.length]?.argChoices;
  return choices === undefined ? 'files' : starting(choices.map((name) => ({ name })));
}

/**
 * The words behind the program's name up to the cursor, as the script of a shell hands them on.
 *
 * @param words with the program's name; in fish, without the empty one of a cursor behind a space
 */
function wordsToCursor(words: readonly string[], shell: Shell, env: Context['host']['env']): string[] {
  if (shell === 'fish') {
    const behindSpace = Number(env.COMP_POINT) >= (env.COMP_LINE ?? '').length;
    return [...words.slice(1), ...(behindSpace ? [''] : [])];
  }
  const last = /^\d+$/.test(env.COMP_CWORD ?? '') ? Number(env.COMP_CWORD) : words.length - 1;
  return words.slice(1, last + 1);
}

async function answer(program: Command, words: readonly string[], context: Context): Promise<void> {
  const { env } = context.host;
  const named = basename(env.SHELL ?? '');
  const shell: Shell = SHELLS.find((known) => known === named) ?? 'bash';
  const found = completionsOf(program, wordsToCursor(words, shell, env));
  if (found === 'files') {
    await context.stdout.write(shell === 'bash' ? '' : `${FILES}\n`);
    return;
  }
  const { default: tabtab } = await import('@pnpm/tabtab');
  const lines: string[] = [];
  tabtab.log(found, shell, (line) => lines.push(`${line}\n`));
  await context.stdout.write(lines.join(''));
}

/** Adds the command `completion` to the program, and the hidden one that its scripts call. */
export function addCompletionCommand(program: Command, context: Context): void {
  const command = program
    .command('completion')
    .summary('print a script that completes command lines in a shell')
    .description(
      'Prints a script for bash, zsh or fish that completes commands, options, their values and names of files.',
    )
    .addArgument(new Argument('<shell>', 'where it is for').choices(SHELLS))
    .helpOption('-h, --help', 'show this help')
    .action(async (shell: Shell) => {
      const { default: tabtab } = await import('@pnpm/tabtab');
      const name = program.name();
      await context.stdout.write(await tabtab.getCompletionScript({ name, completer: name, shell }));
    });
  addHelpAfter(command, {
    examples: [
      'source <(prune-limit completion bash)',
      'prune-limit completion zsh > ~/.prune-limit.zsh && echo "source ~/.prune-limit.zsh" >> ~/.zshrc',
      'prune-limit completion fish > ~/.config/fish/completions/prune-limit.fish',
    ],
  });
  program
    .command('completion-server', { hidden: true })
    .argument('[words...]')
    .action((words: string[]) => answer(program, words, context));
}

/** Help that fits the width of the terminal. */
import type { Command, Help } from 'commander';
import { wrap } from '../report/wrap.js';

/** Narrower than this, descriptions stand below their options. */
const LEAST_DESCRIPTION_COLUMNS = 34;
/** Between terms and descriptions, and before both. */
const GAP = 2;

/** An option, argument or command and what is said of it: beside each other, or below where that leaves too little room. */
export function helpItem(term: string, termWidth: number, description: string, helper: Help): string {
  const helpWidth = helper.helpWidth ?? 80;
  const start = GAP + termWidth + GAP;
  if (description === '') {
    return `${' '.repeat(GAP)}${term}`;
  }
  if (helpWidth - start >= LEAST_DESCRIPTION_COLUMNS) {
    const [first, ...rest] = wrap(description, helpWidth - start);
    return [
      `${' '.repeat(GAP)}${term.padEnd(termWidth)}${' '.repeat(GAP)}${first}`,
      ...rest.map((line) => `${' '.repeat(start)}${line}`),
    ].join('\n');
  }
  const indent = ' '.repeat(3 * GAP);
  const lines = wrap(description, helpWidth - indent.length).map((line) => `${indent}${line}`);
  return [...wrap(term, helpWidth - GAP).map((line) => `${' '.repeat(GAP)}${line}`), ...lines].join('\n');
}

/** A command line, continued as shells do where it is too long. */
function exampleLines(example: string, width: number): string[] {
  const lines: string[] = [];
  let line = ' ';
  // An option stays with its value.
  for (const word of example.split(/ (?=[-|])/)) {
    if (`${line} ${word} \\`.length > width && line.trim() !== '') {
      lines.push(`${line} \\`);
      line = '     ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

/** What stands below the options of a command. */
export interface HelpAfter {
  paragraphs?: readonly string[];
  /** A title, and rows of a term and what it means. */
  table?: { title: string; rows: readonly (readonly [string, string])[] };
  examples: readonly string[];
}

/** Adds text below the options, laid out when it is asked for. */
export function addHelpAfter(command: Command, { paragraphs = [], table, examples }: HelpAfter): void {
  command.addHelpText('after', ({ command: shown, error }) => {
    const helper = shown.createHelp();
    const { getErrHelpWidth, getOutHelpWidth } = shown.configureOutput();
    const width = (error ? getErrHelpWidth : getOutHelpWidth)?.() ?? 80;
    const blocks = paragraphs.map((text) => wrap(text, width));
    if (table !== undefined) {
      const termWidth = Math.max(...table.rows.map(([term]) => term.length));
      helper.helpWidth = width;
      blocks.push([
        table.title,
        ...table.rows.map(([term, meaning]) => helpItem(term, termWidth, meaning, helper)),
      ]);
    }
    blocks.push(['Examples:', ...examples.flatMap((example) => exampleLines(example, width))]);
    return `\n${blocks.map((lines) => lines.join('\n')).join('\n\n')}`;
  });
}

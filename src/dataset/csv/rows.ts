/** Rows of a table in text, one by one, so that the text is never in memory as a whole. */

import type { Info } from 'csv-parse';
import { InputError } from '../../errors.js';
import type { SourceFile } from '../source/file.js';

/** A longer row is an unclosed quote rather than data; a colour image of 512 x 512 has about 3 MB. */
const MAX_ROW_BYTES = 2 ** 24;

/** What stands between the cells of a row; `whitespace` is any run of blanks and tabs. */
export type Separator = ',' | ';' | '\t' | 'whitespace';

/** A row and the number of the line that it ends on, from 1. */
export interface Row {
  cells: string[];
  line: number;
}

const MARK = /^\ufeff/;

/** A cell between blanks; R quotes names that hold some. */
const CELL = /"[^"]*"(?=\s|$)|\S+/g;
const QUOTED = /^"([^"]*)"$/;

/** The separator that the first line with text shows: the first of comma, semicolon, tab, blank that it has. */
export function separatorOf(head: Uint8Array): Separator {
  const text = new TextDecoder().decode(head).replace(MARK, '').trimStart();
  const line = text.split(/[\r\n]/, 1)[0].trimEnd();
  const found = ([',', ';', '\t'] as const).find((separator) => line.includes(separator));
  return found ?? (/\s/.test(line) ? 'whitespace' : ',');
}

/** Lines of text, which are no longer than MAX_ROW_BYTES characters. */
async function* readLines(file: SourceFile): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of file.stream() as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = lines.pop() as string;
    if (rest.length > MAX_ROW_BYTES) {
      throw new InputError(
        'dataset/csv-syntax',
        `${file.path}: a line of more than ${MAX_ROW_BYTES} characters; give a table with one example a line`,
      );
    }
    yield* lines;
  }
  yield rest + decoder.decode();
}

async function* splitLines(file: SourceFile): AsyncGenerator<Row> {
  let line = 0;
  for await (const text of readLines(file)) {
    line++;
    const trimmed = text.replace(MARK, '').trim();
    if (trimmed !== '') {
      yield { cells: (trimmed.match(CELL) ?? []).map((cell) => cell.replace(QUOTED, '$1')), line };
    }
  }
}

async function* parseRows(file: SourceFile, delimiter: string): AsyncGenerator<Row> {
  const { parse } = await import('csv-parse');
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: MAX_ROW_BYTES,
    relax_column_count: true,
    skip_empty_lines: true,
  });
  const input = file.stream();
  input.on('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of input.pipe(parser) as AsyncIterable<{
      record: string[];
      info: Info;
    }>) {
      yield { cells: record, line: info.lines };
    }
  } finally {
    input.destroy();
  }
}

/**
 * The rows of a table, empty lines left out. Where commas, semicolons or tabs separate, cells may be quoted.
 *
 * @throws InputError for text that is no table or cannot be read
 */
export async function* readRows(file: SourceFile): AsyncGenerator<Row> {
  const separator = separatorOf(file.head);
  try {
    yield* separator === 'whitespace' ? splitLines(file) : parseRows(file, separator);
  } catch (error) {
    throw rowError(error, file.path);
  }
}

function rowError(error: unknown, path: string): unknown {
  // The library's own class would load it for every kind of data.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('CSV_')) {
    const what = error.message.replace(/\s+/g, ' ').slice(0, 120);
    return new InputError('dataset/csv-syntax', `${path}: ${what}; mend the row`, { cause: error });
  }
  if (error instanceof Error && 'errno' in error) {
    const what = error.message.slice(0, 120);
    return new InputError('dataset/unreadable', `${path}: cannot be read (${what}); check the file`, {
      cause: error,
    });
  }
  return error;
}

/** Reads a configuration file: JSON in which comments and trailing commas are allowed. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { createScanner, getNodeValue, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { InputError } from '../errors.js';
import { quoted } from '../formats/quoted.js';

/** More is no configuration file; prevents reading a huge file that was put in its place. */
const MAX_BYTES = 1_000_000;
/** A configuration nests three deep; a crafted file could exhaust the stack of the parser. */
const MAX_DEPTH = 100;
/** Tokens that open and close, as jsonc-parser's scanner numbers them: its `const enum` cannot be imported. */
const OPENING = [1, 3];
const CLOSING = [2, 4];
const END = 17;

function isAbsent(cause: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');
}

/** The bytes of a regular file, no more than are allowed. */
async function readBytes(file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    // Before it is opened: that alone would wait at a pipe.
    const found = await stat(file);
    if (!found.isFile()) {
      throw new InputError(
        'config/not-a-file',
        `${file}: is no regular file; a configuration file must be one`,
      );
    }
    handle = await open(file, 'r');
    const bytes = new Uint8Array(MAX_BYTES + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < bytes.length; length += read) {
      read = (await handle.read(bytes, length, bytes.length - length)).bytesRead;
    }
    if (length > MAX_BYTES) {
      const size = Math.max(found.size, length);
      throw new InputError('config/too-large', `${file}: ${size} bytes are no configuration file`);
    }
    return bytes.subarray(0, length);
  } catch (cause) {
    throw cause instanceof InputError || isAbsent(cause)
      ? cause
      : new InputError(
          'config/unreadable',
          `${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`,
          { cause },
        );
  } finally {
    await handle?.close();
  }
}

function nestingDepth(text: string): number {
  const scanner = createScanner(text, true);
  let depth = 0;
  let deepest = 0;
  for (let token: number = scanner.scan(); token !== END; token = scanner.scan()) {
    depth += OPENING.includes(token) ? 1 : CLOSING.includes(token) ? -1 : 0;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** What jsonc-parser found, in words: `CommaExpected` is "comma expected". */
function problemAt(text: string, { error, offset }: ParseError): string {
  const before = text.slice(0, offset).split('\n');
  const what = printParseErrorCode(error).replace(/(?!^)[A-Z]/g, (letter) => ` ${letter}`);
  return `${what.toLowerCase()} at line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

function parse(text: string, file: string): Record<string, unknown> {
  if (nestingDepth(text) > MAX_DEPTH) {
    throw new InputError('config/not-json', `${file}: nests more than ${MAX_DEPTH} brackets deep`);
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  if (errors.length > 0) {
    throw new InputError('config/not-json', `${file}: not JSON: ${problemAt(text, errors[0]!)}`);
  }
  if (root?.type !== 'object') {
    throw new InputError('config/not-an-object', `${file}: not a JSON object such as {"data": "mnist"}`);
  }
  const keys = (root.children ?? []).map(({ children }) => String(children![0]!.value));
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) {
    throw new InputError(
      'config/duplicate-key',
      `${file}: has the key ${quoted(twice)} twice; leave one out`,
    );
  }
  return getNodeValue(root) as Record<string, unknown>;
}

/**
 * Reads a configuration file.
 *
 * @returns its keys and values, unchecked; null where there is no such file
 * @throws InputError where it is not a file, too large, not UTF-8, no JSON object (with line and column), nested too
 *   deep, or has a key twice
 */
export async function readConfigFile(file: string): Promise<Record<string, unknown> | null> {
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(file);
  } catch (cause) {
    if (isAbsent(cause)) {
      return null;
    }
    throw cause;
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InputError('config/not-json', `${file}: not UTF-8 text; save it as UTF-8`, { cause });
  }
  return parse(text, file);
}

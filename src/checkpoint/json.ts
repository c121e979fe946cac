/** JSON whose syntax errors say where they are: V8's own messages do not always. */
import { InputError } from '../errors.js';
import { printable, quoted } from './printable.js';

/** Real models nest about ten deep; a crafted file could exhaust the stack of whatever walks over its value. */
const MAX_DEPTH = 500;

/**
 * Parses the bytes of a JSON file (UTF-8, byte order mark allowed).
 *
 * @param path names the file in the error
 * @param what it should be
 * @throws InputError `checkpoint/invalid-json` with line and column, or for absurd nesting
 */
export function parseJson(bytes: Uint8Array, path: string, what = 'a model.json'): unknown {
  return parseText(decodeText(bytes, path, what), path, what);
}

/**
 * `parseJson` for files where the same key twice in an object is an error, too.
 *
 * @throws InputError as `parseJson`, and `checkpoint/duplicate-key`
 */
export function parseJsonOfUniqueKeys(bytes: Uint8Array, path: string, what: string): unknown {
  const text = decodeText(bytes, path, what);
  const value = parseText(text, path, what);
  const twice = findDuplicateKey(text);
  if (twice !== null) {
    throw new InputError(
      'checkpoint/duplicate-key',
      `${printable(path)} holds the key ${quoted(twice)} twice in one object; keys must be unique.`,
    );
  }
  return value;
}

/** Keys by which an object answers when it is made a text or number, or shared with all objects. */
const RESERVED_KEYS = ['toString', 'valueOf', '__proto__'];

/**
 * Refuses a parsed document with keys that change how its objects behave, before its values are made texts and numbers.
 *
 * @throws InputError `checkpoint/invalid-json`
 */
export function requirePlainKeys(value: unknown, path: string): void {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const item = open.pop();
    if (typeof item !== 'object' || item === null) continue;
    const reserved = RESERVED_KEYS.find((key) => Object.hasOwn(item, key));
    if (reserved !== undefined) {
      throw new InputError(
        'checkpoint/invalid-json',
        `${printable(path)} has the key ${quoted(reserved)} in an object, where no such key is known: it is damaged, or made to do harm.`,
      );
    }
    for (const inner of Object.values(item)) open.push(inner);
  }
}

function decodeText(bytes: Uint8Array, path: string, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InputError(
      'checkpoint/invalid-json',
      `${printable(path)} is not ${what}: it is not UTF-8 text.`,
      { cause },
    );
  }
}

function parseText(text: string, path: string, what: string): unknown {
  if (nestingDepth(text) > MAX_DEPTH) {
    throw new InputError(
      'checkpoint/invalid-json',
      `${printable(path)} nests more than ${MAX_DEPTH} brackets deep: it is not ${what}.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InputError(
      'checkpoint/invalid-json',
      `${printable(path)} is not valid JSON: ${describeSyntaxError(text)}; is the file complete?`,
      { cause },
    );
  }
}

/**
 * The first key, escapes resolved, that an object of a JSON document holds a second time; null where none does.
 *
 * @param text valid JSON
 */
export function findDuplicateKey(text: string): string | null {
  // The keys of each object that is open; null for an array.
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{') open.push(new Set());
    else if (c === '[') open.push(null);
    else if (c === '}' || c === ']') open.pop();
    else if (c === '"') {
      const end = scanString(text, i);
      const keys = open.at(-1);
      if (keys && text[skipSpace(text, end)] === ':') {
        const key = JSON.parse(text.slice(i, end)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      i = end - 1;
    }
  }
  return null;
}

/** Deepest nesting of brackets outside strings. */
function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') inString = !inString;
    else if (inString) i += c === '\\' ? 1 : 0;
    else if (c === '{' || c === '[') deepest = Math.max(deepest, ++depth);
    else if (c === '}' || c === ']') depth--;
  }
  return deepest;
}

function describeSyntaxError(text: string): string {
  const position = findSyntaxError(text);
  if (position < 0) return 'it cannot be parsed';
  const before = text.slice(0, position);
  const line = before.split('\n').length;
  const column = position - before.lastIndexOf('\n');
  const what = position >= text.length ? 'unexpected end' : `unexpected ${JSON.stringify(text[position])}`;
  return `${printable(what)} at line ${line}, column ${column} (position ${position})`;
}

type Expecting = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end';

/**
 * Position of the first character at which a text stops being the start of a
 * JSON document; the text's length when it ends too early; -1 when it is JSON.
 */
export function findSyntaxError(text: string): number {
  const open: ('{' | '[')[] = [];
  let expecting: Expecting = 'value';
  let i = skipSpace(text, 0);
  for (; i < text.length; i = skipSpace(text, i)) {
    const c = text[i]!;
    if (expecting === ', or end') {
      const container = open.at(-1);
      if (c === ',' && container) expecting = container === '{' ? 'key' : 'value';
      else if (container && c === (container === '{' ? '}' : ']')) open.pop();
      else return i;
      i++;
    } else if (expecting === ':') {
      if (c !== ':') return i;
      expecting = 'value';
      i++;
    } else if ((c === ']' && expecting === 'value or ]') || (c === '}' && expecting === 'key or }')) {
      open.pop();
      expecting = ', or end';
      i++;
    } else if (expecting === 'key' || expecting === 'key or }') {
      if (c !== '"') return i;
      const end = scanString(text, i);
      if (end < 0) return -end;
      i = end;
      expecting = ':';
    } else if (c === '{' || c === '[') {
      open.push(c);
      expecting = c === '{' ? 'key or }' : 'value or ]';
      i++;
    } else {
      const end = c === '"' ? scanString(text, i) : scanWord(text, i);
      if (end < 0) return -end;
      if (end === i) return i;
      i = end;
      expecting = ', or end';
    }
  }
  return expecting === ', or end' && open.length === 0 ? -1 : text.length;
}

function skipSpace(text: string, start: number): number {
  let i = start;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++;
  return i;
}

/** End of the string that starts at `start`, or minus the position of the fault (never 0). */
function scanString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"') return i + 1;
    if (c < ' ') return -i;
    if (c !== '\\') continue;
    i++;
    if (text[i] === 'u') {
      for (const end = i + 4; i < end; ) {
        i++;
        if (i >= text.length) return -text.length;
        if (!/[0-9a-fA-F]/.test(text[i]!)) return -i;
      }
    } else if (i < text.length && !'"\\/bfnrt'.includes(text[i]!)) {
      return -i;
    }
  }
  return -text.length;
}

/** End of the number or literal that starts at `start`; `start` where there is none. */
function scanWord(text: string, start: number): number {
  const word = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
  word.lastIndex = start;
  return word.test(text) ? word.lastIndex : start;
}

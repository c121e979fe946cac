import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDuplicateKey, findSyntaxError, parseJson, requirePlainKeys } from '../../src/checkpoint/json.js';
import { expectInputError } from './fixtures.js';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('requirePlainKeys', () => {
  it.each(['toString', 'valueOf', '__proto__'])('refuses the key %s at any depth', async (key) => {
    const value = JSON.parse(`{"a": [{"b": {"${key}": 1}}]}`);
    await expectInputError(
      (async () => requirePlainKeys(value, 'm.json'))(),
      'checkpoint/invalid-json',
      `m.json has the key "${key}"`,
    );
    requirePlainKeys({ a: [key, null, { b: 1 }] }, 'm.json');
  });
});

describe('findSyntaxError', () => {
  it.each([
    ['', 0],
    ['  ', 2],
    ['{"a": 1', 7],
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['{a: 1}', 1],
    ['[1, 2,, 3]', 6],
    ['[1 2]', 3],
    ['[1}', 2],
    ['[01]', 2],
    ['[1.]', 2],
    ['[-]', 1],
    ['[nul]', 1],
    ['{"a": NaN}', 6],
    ['"ab', 3],
    ['"a\nb"', 2],
    ['"\\x"', 2],
    ['"\\u12g4"', 5],
    ['"\\u12', 5],
    ['{} {}', 3],
    ['{"a": [1, {"b": null}], "c": -1.5e+3, "d": "\\u00e9\\n"}', -1],
  ])('%j: %i', (text, position) => {
    expect(findSyntaxError(text)).toBe(position);
  });

  it('finds no error in JSON, and one in what JSON.parse refuses', () => {
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', ',', '}', ']', '[', '\\', '0', ':', ' ', 'e'))
      .map(([json, at, insert]) => {
        const i = at % (json.length + 1);
        return json.slice(0, i) + insert + json.slice(i + (at % 2));
      });
    fc.assert(
      fc.property(mutated, (text) => (findSyntaxError(text) === -1) === isJson(text)),
      { numRuns: 2000 },
    );
  });
});

describe('parseJson', () => {
  const parse = async (text: string | Uint8Array) => parseJson(Buffer.from(text as string), 'dir/model.json');

  it('accepts a byte order mark', async () => {
    expect(await parse('\ufeff{"a": 1}')).toEqual({ a: 1 });
  });

  it('gives line, column and position of an error', async () => {
    await expectInputError(
      parse('{\n  "a": 1,\n  b: 2\n}'),
      'checkpoint/invalid-json',
      'dir/model.json',
      'unexpected "b" at line 3, column 3 (position 14)',
    );
    await expectInputError(parse('{"a":'), 'checkpoint/invalid-json', 'unexpected end at line 1, column 6');
    await expectInputError(parse('{"a": "\u0085\n"}'), 'checkpoint/invalid-json', 'unexpected "\\n"');
  });

  it('refuses other encodings and crafted nesting', async () => {
    await expectInputError(parse(Uint8Array.of(0x7b, 0xff)), 'checkpoint/invalid-json', 'UTF-8');
    await expectInputError(parse('['.repeat(1e6)), 'checkpoint/invalid-json', 'dir/model.json', 'nests');
    expect(await parse(JSON.stringify('['.repeat(1000)))).toHaveLength(1000);
    expect(await parse(JSON.stringify([`\\"${'['.repeat(1000)}`]))).toHaveLength(1);
  });
});

describe('findDuplicateKey', () => {
  it.each<[string, string | null]>([
    ['{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 1}]}', null],
    ['{"a": "a", "b": "a"}', null],
    ['["a", "a"]', null],
    ['{"a\\"": 1, "a": "{\\"a\\":"}', null],
    ['{"a": 1, "a": 1}', 'a'],
    ['{"a": 1, "\\u0061" : 1}', 'a'],
    ['[{"x": {"b": [], "b" \n: 1}}]', 'b'],
    ['{"__proto__": 1, "__proto__": 2}', '__proto__'],
  ])('of %s is %s', (text, key) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(findDuplicateKey(text)).toBe(key);
  });
});

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readServerUrl } from '../../src/cli/server-url.js';
import {
  jobSchema,
  memberSchema,
  readMessage,
  refusalSchema,
  resultSchema,
  runSchema,
  storedSumSchema,
} from '../../src/workers/messages.js';
import { placeBelow, sharedPath } from '../../src/workers/paths.js';
import { serverFailure } from '../../src/workers/server.js';
import { description } from './support.js';

const vector = { name: 'input-1-0', length: 50, sha256: 'a'.repeat(64) };
const run = { ...description(8), reference: { loss: '1.5', vectors: [vector] } };
const node = { start: 0, end: 4 };

describe('messages', () => {
  it('are read as they were written', () => {
    for (const [schema, message] of [
      [runSchema, run],
      [jobSchema, { kind: 'products', sum: 'sum-1', vectors: [vector], node }],
      [jobSchema, { kind: 'gradient', sum: 'sum-1', weights: null, node }],
      [jobSchema, { kind: 'outputs', set: 'test', weights: vector, node }],
      [resultSchema, { ok: true, job: 'job-1', worker: 'ab', seconds: 2, computed: true, vectors: [vector] }],
      [storedSumSchema, { loss: 'Infinity', vectors: [vector] }],
      [memberSchema, { worker: 'ab', host: 'node 1', state: 'idle', drift: 0 }],
      [refusalSchema, { worker: 'ab', host: 'node 1', message: 'no model' }],
    ] as const) {
      expect(readMessage<unknown>(schema, JSON.stringify(message))).toEqual(message);
    }
  });

  it.each([
    ['no JSON', '{'],
    ['none', null],
    [
      'a vector longer than any',
      JSON.stringify({ kind: 'products', sum: 'sum-1', vectors: [{ ...vector, length: 2 ** 40 }], node }),
    ],
    [
      'a vector by another name',
      JSON.stringify({ kind: 'gradient', sum: 'sum-1', weights: { ...vector, name: '../x' }, node }),
    ],
    ['no vector', JSON.stringify({ kind: 'products', sum: 'sum-1', vectors: [], node })],
    ['a job that there is not', JSON.stringify({ kind: 'eval', sum: 'sum-1', code: '1', node })],
    ['more than asked', JSON.stringify({ kind: 'gradient', sum: 'sum-1', weights: null, node, code: '1' })],
    [
      'a shard below 0',
      JSON.stringify({ kind: 'gradient', sum: 'sum-1', weights: null, node: { start: -1, end: 4 } }),
    ],
    ['more than is read', `${' '.repeat(2 ** 18)}{}`],
  ])('%s is no job', (_, text) => {
    expect(readMessage(jobSchema, text)).toBeNull();
  });

  it('are refused whatever else they are', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const schema of [
          runSchema,
          jobSchema,
          storedSumSchema,
          resultSchema,
          memberSchema,
          refusalSchema,
        ]) {
          expect(readMessage<unknown>(schema, JSON.stringify(value))).toBeNull();
        }
      }),
    );
    expect(readMessage(runSchema, JSON.stringify({ ...run, shards: 0 }))).toBeNull();
    expect(readMessage(runSchema, JSON.stringify({ ...run, dimension: 2 ** 40 }))).toBeNull();
  });
});

describe('paths of other machines', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-paths-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const root = join(folder, 'root');
  mkdirSync(join(root, 'models'), { recursive: true });
  writeFileSync(join(root, 'models/m.onnx'), '');
  writeFileSync(join(folder, 'secret'), '');
  symlinkSync(join(folder, 'secret'), join(root, 'link'));

  it('lie below the root', async () => {
    expect(await placeBelow(root, 'models/m.onnx')).toBe(join(root, 'models/m.onnx'));
    expect(await placeBelow(root, join(root, 'models/m.onnx'))).toBe(join(root, 'models/m.onnx'));
    for (const outside of ['../secret', 'models/../../secret', join(folder, 'secret'), 'link']) {
      await expect(placeBelow(root, outside)).rejects.toThrow(
        /is not below --root .*; name a folder that holds it/,
      );
    }
    await expect(placeBelow(root, 'models/n.onnx')).rejects.toThrow(
      /n\.onnx: there is no such file below --root/,
    );
  });

  it('are sent relative to the working directory, else as they are', () => {
    expect(sharedPath('models/m.onnx')).toBe('models/m.onnx');
    expect(sharedPath(join(process.cwd(), 'models/m.onnx'))).toBe('models/m.onnx');
    expect(sharedPath('/srv/m.onnx')).toBe('/srv/m.onnx');
  });
});

describe('the address of a server', () => {
  it('takes user and password from the environment where it has none', () => {
    const env = { PRUNE_LIMIT_REDIS_USERNAME: 'me', PRUNE_LIMIT_REDIS_PASSWORD: 'p@ss/word' };
    expect(readServerUrl('redis://h:1/2', env, '--workers')).toBe('redis://me:p%40ss%2Fword@h:1/2');
    expect(readServerUrl('rediss://you:own@h', env, '--workers')).toBe('rediss://you:own@h');
    expect(readServerUrl(undefined, { PRUNE_LIMIT_REDIS_URL: 'redis://h' }, '--workers')).toBe('redis://h');
  });

  it.each(['http://h', 'h:6379', 'redis://', 'redis://u:secret@h/path/too/long', ''])('is not %j', (text) => {
    expect(() => readServerUrl(text, {}, '--workers')).toThrow(/^--workers: .*redis:\/\/queue\.example:6379/);
    expect(() => readServerUrl(text, {}, '--workers')).not.toThrow(/secret/);
  });

  it.each([
    ['WRONGPASS invalid username-password pair or user is disabled.', '', 'workers/password'],
    ["NOPERM this user has no permissions to run the 'set' command", '', 'workers/permission'],
    ["OOM command not allowed when used memory > 'maxmemory'.", '', 'workers/full'],
    ['MISCONF Redis is configured to save RDB snapshots', '', 'workers/unwritable'],
    ['self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'workers/certificate'],
    ['read ECONNRESET', 'ECONNRESET', 'workers/protocol'],
    ['connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED', 'workers/unreachable'],
    ['getaddrinfo ENOTFOUND h', 'ENOTFOUND', 'workers/unreachable'],
  ])('%s', (message, code, expected) => {
    const failure = serverFailure('redis://h:1', Object.assign(new Error(message), { code }));
    expect(failure.code).toBe(expected);
    expect(failure.message).toMatch(/^redis:\/\/h:1: .*[;,] /);
  });
});

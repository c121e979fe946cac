import { describe, expect, test } from 'vitest';
import { createProgress } from '../../src/cli/progress.js';
import { duration, stageWords } from '../../src/cli/stage-words.js';
import { InputError } from '../../src/errors.js';
import { FakeStream } from './fake-host.js';

function shown(options: { terminal?: boolean; quiet?: boolean; plan?: string[]; width?: number } = {}) {
  const stream = new FakeStream(options.terminal);
  const clock = { milliseconds: 0 };
  const progress = createProgress({
    stream,
    quiet: options.quiet === true,
    plan: options.plan,
    width: () => options.width ?? 80,
    now: () => clock.milliseconds,
  });
  return { stream, progress, clock };
}

describe('without a terminal', () => {
  test('a line for each stage that took over a second', () => {
    const { stream, progress, clock } = shown({ plan: ['reading', 'Pruning curve', 'never begun'] });
    progress.stage('reading', 1).end();
    const stage = progress.stage('Pruning curve', 4);
    clock.milliseconds = 12_300;
    stage.update(4);
    stage.end();
    stage.end();
    const other = progress.stage('not planned', 1);
    clock.milliseconds += 1000;
    other.end();
    expect(stream.text).toBe('2 of 3: Pruning curve: done in 12 s\nnot planned: done in 1 s\n');
  });

  test('a line per 10 % or 30 s, whichever is rarer', () => {
    const { stream, progress, clock } = shown();
    const stage = progress.stage('Slow', 1000);
    for (let done = 1; done <= 300; done++) {
      clock.milliseconds += 1000; // 0.1 % a second: 10 % are rarer
      stage.update(done);
    }
    expect(stream.text.split('\n').slice(0, -1)).toEqual([
      'Slow: 10 %, 15 min 00 s left',
      'Slow: 20 %, 13 min 20 s left',
      'Slow: 30 %, 11 min 40 s left',
    ]);
    const quick = progress.stage('Quick', 100);
    const before = stream.text;
    for (let done = 1; done <= 100; done++) {
      clock.milliseconds += 500; // 50 s in all: 30 s are rarer
      quick.update(done);
    }
    expect(stream.text.slice(before.length)).toBe('Quick: 60 %, 20 s left\n');
  });

  test('notes, on one line each', () => {
    const { stream, progress } = shown();
    progress.note('data: d\u001b[2J');
    progress.close();
    progress.note('too late');
    expect(stream.text).toBe('note: data: d\\u001b[2J\n');
  });
});

describe('on a terminal', () => {
  test('one line that is redrawn and taken away', () => {
    const { stream, progress, clock } = shown({ terminal: true });
    const stage = progress.stage('Lanczos steps', 100);
    expect(stream.text).toContain('Lanczos steps -------------------------- 0 %');
    clock.milliseconds = 10_000;
    stage.update(50);
    stage.end();
    expect(stream.text).toContain('Lanczos steps #############------------- 50 %, 10 s left');
    expect(stream.text).not.toContain('\n');
    expect(stream.text.endsWith('\u001b[2K')).toBe(true);
    progress.close();
  });

  test('the bar comes back after a note and after an inner stage', () => {
    const { stream, progress } = shown({ terminal: true });
    const outer = progress.stage('Outer', 2);
    progress.note('remark');
    progress.stage('Inner', 0).end();
    const drawn = [...stream.text.matchAll(/(Outer|Inner) |note: remark\n/g)].map(([text]) => text.trim());
    expect(drawn.filter((text, index) => text !== drawn[index - 1])).toEqual([
      'Outer',
      'note: remark',
      'Outer',
      'Inner',
      'Outer',
    ]);
    outer.end();
    progress.close();
  });

  test('a bar is as long as what is expected, and goes before its words do', () => {
    const words = (width: number): string => {
      const { stream, progress, clock } = shown({
        terminal: true,
        width,
        plan: ['a', 'products of a long name'],
      });
      const stage = progress.stage('products of a long name', 300, { atMost: true });
      clock.milliseconds = 10_000;
      stage.update(40, 80);
      progress.close();
      return stream.text;
    };
    expect(words(80)).toContain('2 of 2: products of a long name ####---- 40 of about 80, 10 s left');
    expect(words(60)).toContain('2 of 2: products of a long name 40 of about 80, 10 s left');
    expect(words(50)).toContain('2 of 2: pr... long name 40 of about 80, 10 s left');
  });

  test('after close nothing is drawn', () => {
    const { stream, progress } = shown({ terminal: true });
    const stage = progress.stage('Work', 2);
    progress.close();
    const before = stream.text;
    stage.update(1);
    stage.end();
    progress.note('late');
    progress.stage('More', 1);
    expect(stream.text).toBe(before);
  });
});

test.each([false, true])('quiet says nothing (terminal: %s)', (terminal) => {
  const { stream, progress } = shown({ terminal, quiet: true });
  const stage = progress.stage('Work', 2);
  stage.update(1);
  progress.note('remark');
  stage.end();
  progress.close();
  expect(stream.text).toBe('');
});

test.each([
  [0.4, '0 s'],
  [59.6, '1 min 00 s'],
  [125, '2 min 05 s'],
  [4200, '1 h 10 min'],
])('duration(%s)', (seconds, expected) => {
  expect(duration(seconds)).toBe(expected);
});

test.each([
  [{ done: 0 }, '0 %'],
  [{ done: 50 }, '16 %, 50 s left'],
  [{ total: 1 }, '...'],
  [{ done: 60, atMost: true }, '60 of up to 300, up to 40 s left'],
  [{ done: 0, atMost: true }, '0 of up to 300'],
  [{ done: 60, atMost: true, expected: 84.5 }, '60 of about 85, 4 s left'],
  [{ done: 60, atMost: true, expected: 50 }, '60 of about 60, 0 s left'],
  [{ done: 120, before: 100, atMost: true }, '120 of up to 300, up to 1 min 30 s left'],
  [{ done: 100, before: 100, atMost: true }, '100 of up to 300'],
])('stageWords(%j)', (state, expected) => {
  const start = { total: 300, atMost: false, done: 0, before: 0, expected: null, start: 1000 };
  expect(stageWords({ ...start, ...state }, 11_000)).toBe(expected);
});

test('what was not written is remembered, also when quiet', () => {
  const { progress } = shown({ quiet: true });
  const error = new InputError('x', 'y');
  progress.unwritten(error);
  expect(progress.unwrittenOutputs).toEqual([error]);
});

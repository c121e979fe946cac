import { describe, expect, test } from 'vitest';
import { type AnalyzeSettings, analyzeSettings } from '../../src/cli/analyze-settings.js';
import { type Setting, settingKey } from '../../src/cli/settings.js';
import { trainSettings } from '../../src/cli/train-settings.js';
import { analyzeDefaults, trainDefaults } from '../../src/config.js';
import { runFake } from './fake-host.js';

describe('help', () => {
  test.each([
    ['prune-limit', ['--help']],
    ['analyze', ['analyze', '--help']],
    ['prune', ['prune', '--help']],
    ['train', ['train', '--help']],
    ['schema', ['schema', '--help']],
    ['doctor', ['doctor', '--help']],
    ['worker', ['worker', '--help']],
  ])('of %s', async (name, arguments_) => {
    const { exitCode, stdout, stderr } = await runFake(arguments_);
    await expect(stdout).toMatchFileSnapshot(`snapshots/help-${name}.txt`);
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
  });

  test.each(['60', '80', '120'])('fits %s columns', async (columns) => {
    for (const command of [[], ['analyze'], ['prune'], ['train'], ['schema'], ['doctor']]) {
      const { stdout } = await runFake([...command, '--help'], { env: { COLUMNS: columns } });
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(Number(columns));
      // Nothing is lost at any width.
      const words = (text: string): string => text.replaceAll(/ \\\n|\s/g, '');
      expect(words(stdout)).toBe(words((await runFake([...command, '--help'])).stdout));
    }
  });

  test('help analyze is analyze --help', async () => {
    const { exitCode, stdout } = await runFake(['help', 'analyze']);
    expect(stdout).toBe((await runFake(['analyze', '--help'])).stdout);
    expect(exitCode).toBe(0);
  });

  test('the version', async () => {
    const { exitCode, stdout, stderr } = await runFake(['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect([exitCode, stderr]).toEqual([0, '']);
  });

  test('no command: help on stderr, exit code 2', async () => {
    const { exitCode, stdout, stderr } = await runFake([]);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^Usage: prune-limit/);
    expect(exitCode).toBe(2);
  });
});

describe('defaults in help are the defaults', () => {
  const read = (setting: Setting<unknown>): unknown => setting.read(setting.defaultText);
  const literal = <Config extends object>(defaults: Config) =>
    (Object.entries(defaults) as [keyof Config & string, unknown][]).filter(
      ([, value]) => value !== null && (!Array.isArray(value) || value.length > 0),
    );
  test.each(literal(analyzeDefaults))('analyze %s', (key, value) => {
    expect(read(analyzeSettings[key as keyof AnalyzeSettings] as Setting<unknown>)).toEqual(value);
  });
  test.each(literal(trainDefaults))('train %s', (key, value) => {
    expect(read(trainSettings[key])).toEqual(value);
  });
});

test('every example of a right value is right', () => {
  for (const setting of [...Object.values(analyzeSettings), ...Object.values(trainSettings)]) {
    for (const example of setting.examples) {
      expect(() => setting.read(example), `${settingKey(setting)} ${example}`).not.toThrow();
    }
  }
});

describe('wrong usage is one line on stderr and exit code 2', () => {
  test.each([
    [['anlyze'], "unknown command 'anlyze' (Did you mean analyze?); see prune-limit --help"],
    [['analyze'], "missing required argument 'model'; see prune-limit analyze --help"],
    [
      ['analyze', 'm', '--dta', 'x'],
      "unknown option '--dta' (Did you mean --data?); see prune-limit analyze --help",
    ],
    [['analyze', 'm', '--data'], "option '--data <PATH>' argument missing; see prune-limit analyze --help"],
    [
      ['analyze', 'm', 'n'],
      "too many arguments for 'analyze'. Expected 1 argument but got 2.; see prune-limit analyze --help",
    ],
    [
      ['analyze', 'm', '--data', 'd', '--format', 'xml'],
      '--format: "xml" is not one of table, json, markdown; for example --format table, --format json',
    ],
    [
      ['analyze', 'm', '--data', 'd', '--json', 'r', '--markdown', 'r'],
      '--json and --markdown name the same file /nowhere/r; name two',
    ],
    [
      ['prune', 'm', '-o', 'o'],
      'give either --ratio or --at-limit, for example --ratio 0.9 or --at-limit slice',
    ],
    [
      ['prune', 'm', '-o', 'o', '--ratio', '0.9', '--at-limit'],
      'give either --ratio or --at-limit, for example --ratio 0.9 or --at-limit slice',
    ],
    [
      ['prune', 'm', '-o', 'o', '--ratio', '90'],
      '--ratio: "90" is not in [0, 1), nor from 0% to below 100%; it is the fraction of weights to prune; ' +
        'for example --ratio 0.9, --ratio 90%',
    ],
    [
      ['prune', 'm', '-o', 'o', '--at-limit', 'best'],
      '--at-limit: "best" is not one of slice, gaussian-width, gaussian-width:low, sharp, sharp:low, loss, ' +
        'accuracy, no-significant-fall; for example --at-limit slice, --at-limit gaussian-width:low, ' +
        '--at-limit accuracy',
    ],
    [
      ['prune', 'm', '-o', 'o', '--ratio', '0.9', '--report', 'r'],
      '--report goes with --at-limit; --ratio says the amount itself',
    ],
    [
      ['prune', 'm', '--ratio', '0.9'],
      'say where to write with -o PATH, for example -o models/pruned or -o pruned.onnx',
    ],
    [
      ['train', 'vgg', '--data', 'd', '-o', 'o'],
      "command-argument value 'vgg' is invalid for argument 'network'. Allowed choices are mlp, mlpnet, fc5, fc12, lenet, lenet5, " +
        'alexnet, vgg16, resnet18, resnet20, resnet50.; ' +
        'see prune-limit train --help',
    ],
    [
      ['analyze', '-', '--data', 'd'],
      '<model> -: nothing is read from stdin; write it to a file and name that; a file of that name is ./-',
    ],
    [
      ['prune', 'm', '--at-limit', '--report', '-', '-o', 'o'],
      '--report -: nothing is read from stdin; write it to a file and name that; a file of that name is ./-',
    ],
    [
      ['train', 'mlp', '--data', 'd', '-o', '-'],
      '--output -: stdout carries the summary; name a file or folder; a file of that name is ./-',
    ],
    [
      ['analyze', 'm', '--data', 'd', '--dump-graph', '-'],
      '--dump-graph -: stdout carries the summary; name a file or folder; a file of that name is ./-',
    ],
    [
      ['analyze', 'm', '--data', 'd', '--json', 'r.json', '--markdown', '-', '--format', 'table'],
      '--markdown - and --format table both go to stdout, which carries one result; name a file, for example --markdown report.md',
    ],
    [
      ['report', 'r.json', '--markdown', '-', '--html', '-'],
      '--markdown - and --html - both go to stdout, which carries one result; name a file, for example --markdown report.md',
    ],
    [
      ['report', 'r.json', '--html', '-', '--format', 'table'],
      '--html - and --format table both go to stdout, which carries one result; name a file, for example --html report.html',
    ],
    [['train', 'mlp', '-o', 'o'], 'say what to train on with --data PATH, for example --data data/mnist'],
    [['train', 'mlp', '--data', 'd'], 'say where to write with -o DIR, for example -o models/mlp'],
    [
      ['train', 'mlp', '--data', 'd', '-o', 'o', '--schedule', 'multi-step'],
      '--schedule multi-step needs --milestones, for example --milestones 80,120',
    ],
    [
      ['train', 'lenet5', '--data', 'd', '-o', 'o', '--hidden', '10'],
      '--hidden goes with mlp; the layers of lenet5 are fixed',
    ],
    [
      ['train', 'fc5', '--data', 'd', '-o', 'o', '--width', '0.5'],
      '--width goes with convolutional networks (lenet, lenet5, alexnet, vgg16, resnet18, resnet20, resnet50), not with fc5',
    ],
    [
      ['train', 'mlp', '--data', 'd', '-o', 'o', '--l1', '-1'],
      '--l1: "-1" is negative; for example --l1 5e-5',
    ],
  ])('%j', async (arguments_, message) => {
    const { exitCode, stdout, stderr } = await runFake(arguments_);
    expect(stderr).toBe(`prune-limit: ${message}\n`);
    expect(stdout).toBe('');
    expect(exitCode).toBe(2);
  });
});

describe('a bad value names the option, the value and right ones', () => {
  test.each([
    ['normalize', '0.1307', 'is not MEANS/DEVIATIONS'],
    ['normalize', '0.5/0', 'has a standard deviation that is not above 0'],
    ['normalize', '0.5,0.5/1', 'has 2 means but 1 deviations'],
    ['normalize', 'a/b', 'is not a number'],
    ['normalize', '/', 'is not a number'],
    ['layout', 'nhwc', 'is not one of NHWC, NCHW'],
    ['loss', 'hinge', 'is not one of auto, cross-entropy, binary-cross-entropy, mse'],
    ['examples', '0', 'is neither a whole number from 1 on nor "all"'],
    ['examples', '1.5', 'is neither a whole number from 1 on nor "all"'],
    ['test-examples', 'some', 'is neither a whole number from 1 on nor "all"'],
    ['sample', 'last', 'is not one of random, first'],
    ['epsilon', 'abc', 'is neither "batch-std", nor a number, nor a percentage'],
    ['epsilon', '0', 'is not above 0'],
    ['epsilon', '-1%', 'is not above 0'],
    ['epsilon', '%', 'is neither "batch-std", nor a number, nor a percentage'],
    ['curvature', 'fisher', 'is not one of hessian, ggn'],
    ['negative', 'keep', 'is not one of abs, clip'],
    ['bound', 'slice', 'is not one of gaussian-width, sharp'],
    ['probes', '0', 'is not a whole number from 1 on'],
    ['probes', '1e400', 'is not a number'],
    ['steps', '1', 'is not a whole number from 2 on'],
    ['tolerance', '0', 'is not above 0'],
    ['tolerance', 'NaN', 'is not a number'],
    ['accuracy-tolerance', '-0.5', 'is not between 0 and 100'],
    ['ratios', '0.5,1', 'has the part "1", which is not in [0, 1), nor from 0% to below 100%; it is'],
    ['ratios', '50%,100%', 'has the part "100%", which is not in [0, 1), nor from 0% to below 100%; it is'],
    ['ratios', '%', 'has the part "%", which is not a number'],
    ['tolerance', '-1%', 'is not above 0'],
    ['accuracy-tolerance', '101%', 'is not between 0 and 100'],
    ['ratios', '0.5,,0.6', 'has the part "", which is not a number'],
    ['include', '', 'is not a piece of text'],
    ['seed', '-1', 'is not a whole number from 0 to 2147483647'],
    ['seed', '0x10', 'is not a number'],
    ['backend', 'webgl', 'is not one of auto, tensorflow, onnx, onnx-web, wasm, cpu'],
    ['threads', '0', 'is not a whole number from 1 to 1024'],
    ['memory-limit', '12X', 'is not a size'],
    ['memory-limit', '0', 'is not a size from 1 byte on'],
    ['reorthogonalization', 'some', 'is not one of auto, full, none'],
  ])('--%s %s', async (option, value, complaint) => {
    const { exitCode, stdout, stderr } = await runFake([
      'analyze',
      'm',
      '--data',
      'd',
      `--${option}=${value}`,
    ]);
    const shown = option === 'include' ? JSON.stringify([value]) : JSON.stringify(value);
    expect(stderr).toMatch(new RegExp(`; for example --${option} .*\n$`));
    expect(stderr).toContain(`prune-limit: --${option}: ${shown} ${complaint}`);
    expect(stderr.split('\n')).toHaveLength(2);
    expect([exitCode, stdout]).toEqual([2, '']);
  });
});

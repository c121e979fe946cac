/** The package as `npm pack` makes it: what it holds, and that programs and people can use it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recipeNames } from '../../src/training/recipes.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'prune-limit-packed-'));
const checkout = join(folder, 'checkout');
/** A project that has the package installed. */
const project = join(folder, 'project');

interface Packed {
  size: number;
  files: { path: string }[];
}
let packed: Packed;

/** npm, as its own script: on every platform without a shell. */
function npm(args: string[], cwd: string): string {
  const environment = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  return execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    env: Object.fromEntries(environment),
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

beforeAll(() => {
  mkdirSync(checkout);
  for (const name of [
    'bin',
    'src',
    'recipes',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
  ]) {
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'), 'junction');
  // A module of an earlier build, which must not be packed.
  mkdirSync(join(checkout, 'dist'));
  writeFileSync(join(checkout, 'dist', 'gone.js'), '');
  const printed = npm(['pack', '--json', '--pack-destination', folder], checkout);
  [packed] = Object.values(JSON.parse(printed.slice(printed.search(/^[[{]/m)))) as Packed[];
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  symlinkSync(checkout, join(project, 'node_modules', 'prune-limit'), 'junction');
  symlinkSync(join(root, 'fixtures'), join(project, 'fixtures'), 'junction');
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the tarball', () => {
  it('holds the command, the build, what is written about it, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => !/^dist\/.+(\.js|\.d\.ts)$/.test(path)).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin/prune-limit.js',
      'package.json',
      ...recipeNames().map((name) => `recipes/${name}.json`),
    ]);
    expect(paths).toContain('dist/index.d.ts');
    expect(paths).not.toContain('dist/gone.js');
    expect(packed.size).toBeLessThan(1_000_000);
  });

  it('runs nothing where it is installed', () => {
    const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
    for (const event of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(scripts).not.toHaveProperty(event);
    }
  });
});

describe('a program', () => {
  const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))!;

  it('runs the example of the README, and nothing else is printed', () => {
    writeFileSync(join(project, 'example.mjs'), example!);
    const { status, stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/^2\d{5} weights set to 0\n$/);
    expect(stderr.replace(/^(data: |onnxruntime-node: ).*\n/gm, '')).toBe('');
    expect(status).toBe(0);
  });

  it('is told what is wrong as an InputError, also while another call is under way', async () => {
    const script = `
      import { analyze, InputError, prune } from 'prune-limit';
      const calls = [
        analyze({ model: 'absent.json' }),
        analyze({ model: 'absent.json', exmaples: 3 }),
        analyze({ model: 'absent.json', steps: 'many' }),
        prune({ model: 'absent.json', output: 'x' }),
      ];
      for (const { reason } of await Promise.allSettled(calls)) {
        console.log(reason instanceof InputError, reason.code, reason.message);
      }`;
    writeFileSync(join(project, 'wrong.mjs'), script);
    const lines = execFileSync(process.execPath, ['wrong.mjs'], { cwd: project, encoding: 'utf8' }).split(
      '\n',
    );
    expect(lines[0]).toMatch(/^true checkpoint\/\S+ .*absent\.json/);
    expect(lines[1]).toBe('true usage/unknown-option unknown option "exmaples"; did you mean "examples"?');
    expect(lines[2]).toMatch(/^true usage\/option-value --steps: "many" is not a number/);
    expect(lines[3]).toMatch(/^true usage\/amount/);
  });

  it('in TypeScript has types', () => {
    const lines = [
      "import { analyze, type AnalyzeOptions, prune, type Report } from 'prune-limit';",
      "const options: AnalyzeOptions = { model: 'm', epsilon: '1%', ratios: [0.5] };",
      'const report: Report = await analyze(options, (update) => update.kind);',
      'export const pruned: number = report.actual.loss.pruned;',
      '// @ts-expect-error where to write must be said',
      "export const summary = prune({ model: 'm', ratio: 0.5 });",
    ];
    writeFileSync(join(project, 'typed.mts'), lines.join('\n'));
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout } = spawnSync(process.execPath, [compiler, ...flags, 'typed.mts'], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  });
});

it('the command runs from the package', () => {
  const command = join(project, 'node_modules', 'prune-limit', 'bin', 'prune-limit.js');
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  expect(execFileSync(process.execPath, [command, '--version'], { encoding: 'utf8' })).toBe(`${version}\n`);
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadOnnxRuntime, RUNTIME_PACKAGES, runtimeInstallCommand } from '../../src/compute/onnx-runtime.js';
import { packageVersion } from '../../src/compute/package-version.js';

/** An import where only some packages are there. */
function importOf(installed: Record<string, unknown>): (name: string) => Promise<unknown> {
  return async (name) => {
    if (name in installed) {
      return installed[name];
    }
    throw Object.assign(new Error(`Cannot find package '${name}'`), { code: 'ERR_MODULE_NOT_FOUND' });
  };
}

const [installedBeside, comesAlong] = RUNTIME_PACKAGES;

describe('ONNX Runtime', () => {
  it.skipIf(packageVersion(installedBeside) === null)(
    'is the one installed beside, if there is one',
    async () => {
      const found = await loadOnnxRuntime(importOf({ [installedBeside]: 'newer', [comesAlong]: 'older' }));
      expect(found).toEqual({ runtime: 'newer', version: packageVersion(installedBeside) });
    },
  );

  it.skipIf(packageVersion(comesAlong) === null)('is the one that comes along otherwise', async () => {
    const found = await loadOnnxRuntime(importOf({ [comesAlong]: 'older' }));
    expect(found).toEqual({ runtime: 'older', version: '1.17.0' });
  });

  it('that is not there is told so', async () => {
    expect(await loadOnnxRuntime(importOf({}))).toBe('not installed');
  });

  it('that does not load is told with the reason', async () => {
    const broken = async (name: string): Promise<unknown> => {
      if (name === installedBeside) {
        throw new Error('libstdc++.so.6: version not found\nmore');
      }
      return importOf({})(name);
    };
    expect(await loadOnnxRuntime(broken)).toBe('libstdc++.so.6: version not found');
  });

  it.each([
    ['linux', 'x64', 'ONNXRUNTIME_NODE_INSTALL=skip npm i onnxruntime-node'],
    ['linux', 'arm64', 'npm i onnxruntime-node'],
    ['win32', 'x64', 'npm i onnxruntime-node'],
  ])('is installed on %s %s with %s', (platform, architecture, command) => {
    expect(runtimeInstallCommand(platform, architecture)).toBe(command);
  });
});

/** Install scripts reach places that a machine may not; the lock file says which packages have one. */
it('nothing that npm installs runs a script, but where the package is developed, if package.json allows it', () => {
  const read = (name: string) => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));
  const { packages } = read('package-lock.json') as {
    packages: Record<string, { hasInstallScript?: boolean; dev?: boolean }>;
  };
  const withScript = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript);
  expect(withScript.filter(([, { dev }]) => !dev)).toEqual([]);
  const { allowScripts } = read('package.json') as { allowScripts: Record<string, boolean> };
  for (const [path] of withScript) {
    expect([path, allowScripts[path.replace(/^.*node_modules\//, '')]]).toEqual([path, false]);
  }
});

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { library } from '../../src/tfjs-core.js';

const source = new URL('../../src/', import.meta.url);

it('one module alone takes each tfjs package in, by require: an import costs a quarter of a second at every start', () => {
  const modules = readdirSync(fileURLToPath(source), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  expect(modules.length).toBeGreaterThan(100);
  const imports = modules.flatMap((name) =>
    [
      ...readFileSync(new URL(name, source), 'utf8').matchAll(
        /^(import|export) (?!type\b)[^;]*?from '@tensorflow\/tfjs-(core|layers|backend-\w+)'/gm,
      ),
    ].map(() => `${name}: take it from src/tfjs-core.ts or src/tfjs-layers.ts`),
  );
  expect(imports).toEqual([]);
});

it('is the same library as for those who import it', async () => {
  expect((await import('@tensorflow/tfjs-core')).engine()).toBe(library.engine());
});

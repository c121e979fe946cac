import { describe, expect, it } from 'vitest';
import { type ResourceScope, resourceScope } from '../../src/analysis/resources.js';

function ownThree(scope: ResourceScope, log: string[]): void {
  for (const name of ['first', 'second', 'third']) {
    scope.own({
      dispose: () => {
        log.push(name);
      },
    });
  }
}

describe('resourceScope', () => {
  it('gives the result, then disposes of all, last first', async () => {
    const log: string[] = [];
    const result = await resourceScope(async (scope) => {
      ownThree(scope, log);
      await Promise.resolve();
      expect(log).toEqual([]);
      return 42;
    });
    expect([result, log]).toEqual([42, ['third', 'second', 'first']]);
  });

  it('disposes after a failure too, and passes it on', async () => {
    const log: string[] = [];
    const failing = resourceScope(async (scope) => {
      ownThree(scope, log);
      throw new Error('oops');
    });
    await expect(failing).rejects.toThrow('oops');
    expect(log).toEqual(['third', 'second', 'first']);
  });

  it('hands back what it is given to own', async () => {
    const resource = { dispose: () => {}, value: 7 };
    expect(await resourceScope(async (scope) => scope.own(resource).value)).toBe(7);
  });
});

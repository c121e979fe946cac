import { engine, memory, ones, sum } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { releaseWasmBackend } from '../../src/compute/backend-release.js';

const backendOf = (): string | null => (engine() as unknown as { backendName: string | null }).backendName;

describe('releaseWasmBackend', () => {
  it('leaves a backend whose tensors are alive', async () => {
    await prepareBackend('wasm');
    const alive = ones([2]);
    releaseWasmBackend();
    expect(backendOf()).toBe('wasm');
    expect([...alive.dataSync()]).toEqual([1, 1]);
    alive.dispose();
  });

  it('lets the backend go, which can be prepared again', async () => {
    await prepareBackend('wasm');
    const first = engine().backend;
    releaseWasmBackend();
    expect(backendOf()).toBe(null);
    await prepareBackend('wasm');
    expect(engine().backend).not.toBe(first);
    const vector = ones([3]);
    const total = sum(vector);
    expect(total.dataSync()[0]).toBe(3);
    vector.dispose();
    total.dispose();
    expect(memory().numTensors).toBe(0);
  });

  it('does nothing to other backends', async () => {
    await prepareBackend('cpu');
    releaseWasmBackend();
    expect(backendOf()).toBe('cpu');
  });

  it('leaves no process-wide handlers of the WebAssembly module behind', async () => {
    const before = process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection');
    releaseWasmBackend();
    await prepareBackend('wasm');
    expect(process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection')).toBe(
      before,
    );
  });
});

import { describe, expect, it } from 'vitest';
import { InputError } from '../src/errors.js';

describe('the message of an InputError', () => {
  it('keeps where it happened and what to do where a name is very long', () => {
    const { message } = new InputError(
      'a/b',
      `m.json: ${'layer '.repeat(200)}is no layer; save the model again`,
    );
    expect(message.length).toBeLessThanOrEqual(285);
    expect(message).toMatch(/^m\.json: layer .* layer \.\.\. layer .*is no layer; save the model again$/);
    const run = new InputError('a/b', `m.json: ${'x'.repeat(5000)}; save the model again`).message;
    expect(run).toMatch(/^m\.json: x+ \.\.\. x+; save the model again$/);
    expect(run.length).toBeLessThanOrEqual(285);
  });

  it('is left as it is up to 285 characters', () => {
    const message = 'word '.repeat(57);
    expect(new InputError('a/b', message).message).toBe(message);
  });
});

import { expect, test } from 'vitest';
import { analyzeSettings } from '../../src/cli/analyze-settings.js';
import { configFileSchema, configJsonSchema } from '../../src/cli/config-schema.js';
import { readSetting, type Setting, settingKey } from '../../src/cli/settings.js';

const settings = Object.values(analyzeSettings) as Setting<unknown>[];

/** An example of an option as JSON has it: numbers as numbers. */
function jsonValue(example: string): unknown {
  const text = example.replaceAll('"', '');
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

test('every key of a configuration is in the schema, with the help of its option', () => {
  const { properties } = configJsonSchema() as { properties: Record<string, { description?: string }> };
  expect(Object.keys(properties).sort()).toEqual(
    ['$schema', 'gate', 'baseline', ...settings.map(settingKey)].sort(),
  );
  for (const setting of settings) {
    expect(properties[settingKey(setting)]?.description).toContain(setting.help);
  }
});

test.each(settings.map((setting) => [settingKey(setting), setting] as const))(
  '%s: right values are right in the schema, too',
  (key, setting) => {
    for (const example of setting.examples) {
      const value = jsonValue(example);
      expect(() => readSetting(setting, value, 'f')).not.toThrow();
      expect(configFileSchema.safeParse({ [key]: value })).toMatchObject({ success: true });
    }
  },
);

test.each([
  [{ dta: 'x' }],
  [{ seed: -1 }],
  [{ layout: 'nhwc' }],
  [{ ratios: [1] }],
  [{ epsilon: 'abc' }],
  [{ normalize: { mean: [0], std: [0] } }],
  [{ gate: 'slice >= 0.9' }],
  [{ gate: [{ require: 'slice >= 0.9', maxDrop: 'slice 1 point' }] }],
  [{ gate: [{ require: 'slice >= 0.9', level: 'info' }] }],
  [{ baseline: 1 }],
])('%j is wrong in the schema', (value) => {
  expect(configFileSchema.safeParse(value).success).toBe(false);
});

test('gates are texts, or objects of one kind', () => {
  const gate = ['slice >= 0.9', { maxDrop: 'slice 1 point' }, { require: 'loss <= 1', level: 'warn' }];
  expect(configFileSchema.safeParse({ gate, baseline: 'base.json' })).toMatchObject({ success: true });
});

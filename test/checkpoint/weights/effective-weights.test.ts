import { describe, expect, it } from 'vitest';
import { effectiveWeights } from '../../../src/checkpoint/weights/effective-weights.js';
import { openWeightFile } from '../../../src/checkpoint/weights/weight-file.js';
import { expectInputError } from '../fixtures.js';
import { f32, type MadeTensor, safetensors, weightFile } from './weight-files.js';

async function open(
  tensors: readonly MadeTensor[],
  metadata?: Record<string, string>,
  known: readonly string[] = [],
) {
  const path = weightFile('w.safetensors', safetensors(tensors, metadata));
  return effectiveWeights(await openWeightFile(path), known);
}

/** The values of `fc.weight`. */
async function weight(tensors: readonly MadeTensor[]): Promise<number[]> {
  const { values } = await (await open(tensors)).read(new Map([['fc.weight', 'float32']]));
  return [...values.get('fc.weight')!];
}

describe('weights that torch saves as parts', () => {
  it('of pruned layers are masked, biases too, whatever dtype the mask has', async () => {
    const mask = { name: 'fc.bias_mask', dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) };
    const file = await open([
      f32('fc.weight_orig', [2, 2], [1.5, -2, 3, 4]),
      f32('fc.weight_mask', [2, 2], [1, 0, 0, 1]),
      f32('fc.bias_orig', [2], [5, 6]),
      mask,
    ]);
    expect(file.entries.map(({ name, shape, remark }) => [name, shape, remark])).toEqual([
      ['fc.weight', [2, 2], 'the mask of torch.nn.utils.prune is folded'],
      ['fc.bias', [2], 'the mask of torch.nn.utils.prune is folded'],
    ]);
    const { values } = await file.read(
      new Map([
        ['fc.weight', 'float32'],
        ['fc.bias', 'float32'],
      ]),
    );
    expect([...values.values()].map((array) => [...array])).toEqual([
      [1.5, -0, 0, 4],
      [0, 6],
    ]);
  });

  // numpy in float64, rounded to float32; torch 1.13's weight_norm(nn.Linear(3, 2), dim=...) is within one bit of it
  const v = [3, 4, 0, 1, 2, 2];
  it.each<[string, number[], number[], number[]]>([
    ['0', [2, 1], [10, 6], [6, 8, 0, 2, 4, 4]],
    [
      '1',
      [1, 3],
      [1, 2, 3],
      [0.9486833214759827, 1.7888543605804443, 0, 0.3162277638912201, 0.8944271802902222, 3],
    ],
    [
      'None',
      [],
      [2],
      [1.028991460800171, 1.3719886541366577, 0, 0.34299716353416443, 0.6859943270683289, 0.6859943270683289],
    ],
  ])('of weight norm with dim %s have the norms that g says', async (_dim, shape, g, expected) => {
    expect(await weight([f32('fc.weight_g', shape, g), f32('fc.weight_v', [2, 3], v)])).toEqual(expected);
    const parametrized = [
      f32('fc.parametrizations.weight.original0', shape, g),
      f32('fc.parametrizations.weight.original1', [2, 3], v),
    ];
    expect(await weight(parametrized)).toEqual(expected);
  });

  it('of spectral normalisation are divided by u^T W v', async () => {
    // numpy in float64, rounded to float32; torch 1.13's spectral_norm(nn.Linear(2, 3)).eval() is within one bit of it
    const expected = [
      0.10476469993591309, 0.20952939987182617, 0.31429409980773926, 0.41905879974365234, 0.5238234996795654,
      0.6285881996154785,
    ];
    const parts = (names: string[]) => [
      f32(names[0]!, [3, 2], [1, 2, 3, 4, 5, 6]),
      f32(names[1]!, [3], [0.23, 0.52, 0.82]),
      f32(names[2]!, [2], [0.62, 0.79]),
    ];
    expect(await weight(parts(['fc.weight_orig', 'fc.weight_u', 'fc.weight_v']))).toEqual(expected);
    const p = 'fc.parametrizations.weight';
    expect(await weight(parts([`${p}.original`, `${p}.0._u`, `${p}.0._v`]))).toEqual(expected);
  });

  it('of spectral normalisation take that axis as outputs for which u and v are singular vectors', async () => {
    // numpy.linalg.svd([[1, 2], [0, 3]]): sigma 3.65028154; the transposed matrix has u and v exchanged
    const [u, w] = [
      [0.58471028, 0.81124219],
      [0.16018224, 0.98708746],
    ];
    const [a, b] = [
      [1, 2, 0, 3],
      [1, 0, 2, 3],
    ];
    for (const matrix of [a, b]) {
      const parts = [
        f32('fc.weight_orig', [2, 2], matrix),
        f32('fc.weight_u', [2], u),
        f32('fc.weight_v', [2], w),
      ];
      const expected = matrix.map((value) => value / 3.65028154);
      const found = await weight(parts);
      for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
    }
  });

  it('of spectral normalisation whose vectors tell no axis are refused', async () => {
    const file = await open([
      f32('fc.weight_orig', [2, 2], [1, 2, 0, 3]),
      f32('fc.weight_u', [2], [1, -0.2]),
      f32('fc.weight_v', [2], [1, 1]),
    ]);
    await expectInputError(
      file.read(new Map([['fc.weight', 'float32']])),
      'checkpoint/ambiguous-layout',
      'which axis of "fc.weight_orig"',
      'remove_spectral_norm',
    );
  });

  it.each<[string, MadeTensor[], string, string]>([
    [
      'an unknown parametrization',
      [
        f32('fc.parametrizations.weight.original', [2, 2], [1, 2, 3, 4]),
        f32('fc.parametrizations.weight.0.base', [2, 2], [1, 2, 3, 4]),
      ],
      'checkpoint/unsupported-weights',
      "remove_parametrizations(fc, 'weight')",
    ],
    [
      'spectral normalisation of old, without v',
      [f32('fc.weight_orig', [2, 2], [1, 2, 3, 4]), f32('fc.weight_u', [2], [1, 0])],
      'checkpoint/unsupported-weights',
      'remove_spectral_norm',
    ],
    [
      'a mask of another shape',
      [f32('fc.weight_orig', [2, 2], [1, 2, 3, 4]), f32('fc.weight_mask', [4], [1, 0, 1, 1])],
      'checkpoint/weights-mismatch',
      'prune.remove',
    ],
    [
      'a weight given beside its parts',
      [
        f32('fc.weight_orig', [1], [1]),
        f32('fc.weight_mask', [1], [1]),
        { name: 'fc.weight', dtype: 'F32', shape: [1], data: Float32Array.of(1) },
      ],
      'checkpoint/ambiguous-weights',
      'holds both "fc.weight" and "fc.weight_orig"',
    ],
  ])('are refused by name where they are wanted: %s', async (_title, tensors, code, words) => {
    const file = await open([...tensors, f32('fc.bias', [1], [7])]);
    expect(file.entries.map(({ name }) => name).sort()).toEqual(['fc.bias', 'fc.weight']);
    expect((await file.read(new Map([['fc.bias', 'float32']]))).values.get('fc.bias')).toEqual(
      Float32Array.of(7),
    );
    await expectInputError(file.read(new Map([['fc.weight', 'float32']])), code, words);
  });

  it('are left alone where the model has weights of these names, or they only happen to be called so', async () => {
    const parts = [f32('fc.weight_g', [2, 1], [1, 1]), f32('fc.weight_v', [2, 2], [1, 2, 3, 4])];
    const names = async (tensors: MadeTensor[], known: string[] = []) =>
      (await open(tensors, undefined, known)).entries.map(({ name }) => name);
    expect(await names(parts, ['net.fc.weight_v'])).toEqual(['fc.weight_g', 'fc.weight_v']);
    const square = [f32('fc.weight_g', [2, 2], [1, 1, 1, 1]), parts[1]!];
    expect(await names(square)).toEqual(['fc.weight_g', 'fc.weight_v']);
    expect(await names([f32('W_g', [2], [1, 1]), f32('W_v', [2], [1, 1])])).toEqual(['W_g', 'W_v']);
  });

  it('that become infinite in float32 are an error', async () => {
    const parts = [f32('fc.weight_orig', [1], [3e38]), f32('fc.weight_mask', [1], [2])];
    await expectInputError(
      weight(parts) as Promise<unknown>,
      'checkpoint/value-range',
      'w.safetensors: "fc.weight" holds',
    );
  });
});

describe('names in the metadata of a safetensors file', () => {
  it('that are of shared tensors give each weight values of its own', async () => {
    const file = await open([f32('a.weight', [2], [1, 2])], { format: 'pt', 'b.weight': 'a.weight' });
    expect(file.entries.map(({ name, shape }) => [name, shape])).toEqual([
      ['a.weight', [2]],
      ['b.weight', [2]],
    ]);
    const { values } = await file.read(
      new Map([
        ['a.weight', 'float32'],
        ['b.weight', 'float32'],
      ]),
    );
    values.get('b.weight')![0] = 9;
    expect([...values.get('a.weight')!, ...values.get('b.weight')!]).toEqual([1, 2, 9, 2]);
  });

  it('may be of parts, and are nothing where the file has both or neither', async () => {
    const parts = [f32('a.weight_orig', [1], [3]), f32('a.weight_mask', [1], [1])];
    const file = await open(parts, {
      'fc.weight_orig': 'a.weight_orig',
      'fc.weight_mask': 'a.weight_mask',
      'a.weight_mask': 'a.weight_orig',
      other: 'nothing',
    });
    expect(file.entries.map(({ name }) => name)).toEqual(['a.weight', 'fc.weight']);
    const { values } = await file.read(new Map([['fc.weight', 'float32']]));
    expect([...values.get('fc.weight')!]).toEqual([3]);
  });
});

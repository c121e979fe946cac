import * as tf from '@tensorflow/tfjs-core';
import { layers, model as functional, input, sequential } from '@tensorflow/tfjs-layers';
import { it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { createBatches } from '../../src/network/batches.js';
import { curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import { createNetwork } from '../../src/network/network.js';
import { randomStream } from '../../src/random.js';
import { checkpointOf, randomExamples } from './models.js';
import type { LossName } from '../../src/network/loss.js';

const norm = (v: Float64Array) => Math.sqrt(v.reduce((s, x) => s + x * x, 0));
async function check(label: string, m: any, shape: number[], outputs: number, loss: LossName, targets: any) {
  const cp = await checkpointOf(m);
  m.dispose();
  // randomise
  const r = randomStream(3, 'w');
  for (const w of cp.weights) {
    if (/variance/.test(w.name)) w.values = w.values.map(() => 0.5 + r.uniform());
    else if (/kernel|gamma|beta|bias|mean/.test(w.name) && !/kernel/.test(w.name)) w.values = w.values.map((x: number) => x + 0.3 * r.normal());
  }
  const network = await createNetwork(cp);
  const batches = createBatches(randomExamples({ count: 7, shape, outputs, targets, seed: 1 }), outputs, { batchSize: 4, keepBytes: 1e9 });
  const problem = { network, loss, batches };
  const H = curvatureOperator(problem, 'hessian');
  const G = curvatureOperator(problem, 'ggn');
  const v = Float64Array.from({ length: network.dimension }, () => r.normal() / Math.sqrt(network.dimension));
  const hv = await H.apply(v);
  const gv = await G.apply(v);
  const at = (h: number) => network.weights.map((w, i) => w + h * v[i]) as any as Float32Array;
  const res: string[] = [];
  for (const h of [0.03, 0.003]) {
    const A = await lossGradient(problem, Float64Array.from(network.weights, (w, i) => w + h * v[i]));
    const B = await lossGradient(problem, Float64Array.from(network.weights, (w, i) => w - h * v[i]));
    const fd = A.gradient.map((a, i) => (a - B.gradient[i]) / (2 * h));
    const g = (await lossGradient(problem, network.weights)).gradient;
    const gfd = (A.loss - B.loss) / (2 * h);
    const gan = g.reduce((s, x, i) => s + x * v[i], 0);
    res.push(`h${h}: hvp ${(norm(hv.map((x, i) => x - fd[i])) / norm(fd)).toExponential(1)} grad ${Math.abs((gfd - gan) / norm(g)).toExponential(1)}`);
  }
  const vgv = gv.reduce((s, x, i) => s + x * v[i], 0);
  console.log(label, network.dimension, res.join(' | '), '|hv|', norm(hv).toFixed(4), 'gv', norm(gv).toFixed(4), vgv > 0);
  H.dispose(); G.dispose(); batches.dispose(); network.dispose();
}
for (const backend of ['wasm', 'cpu'] as const)
it('probe ' + backend, async () => {
  await prepareBackend(backend);
  const before = tf.memory().numTensors;
  for (const act of ['relu', 'tanh', 'sigmoid', 'elu', 'selu', 'softplus', 'swish', 'gelu','mish','relu6','softsign', 'hardSigmoid', 'softmax', 'linear', 'exponential','gelu_new','logSoftmax'] as any[]) {
    try {
      await check('mlp ' + act, sequential({ layers: [layers.dense({ units: 8, inputShape: [6], activation: act }), layers.dense({ units: 7, activation: act }), layers.dense({ units: 4, activation: 'softmax' })] }), [6], 4, 'cross-entropy', 'one-hot');
    } catch (e) { console.log(act, String(e).slice(0, 200)); }
  }
  await check('mse', sequential({ layers: [layers.dense({ units: 8, inputShape: [6], activation: 'tanh' }), layers.dense({ units: 4 })] }), [6], 4, 'mse', 'real');
  await check('bce', sequential({ layers: [layers.dense({ units: 8, inputShape: [6], activation: 'tanh' }), layers.dense({ units: 4, activation: 'sigmoid' })] }), [6], 4, 'binary-cross-entropy', 'binary');
  const conv = (l: any[]) => sequential({ layers: [layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [9, 8, 2], padding: 'same', activation: 'tanh' }), ...l, layers.flatten(), layers.dense({ units: 3 })] });
  const cases: [string, () => any][] = [
    ['maxpool', () => conv([layers.maxPooling2d({ poolSize: 2 })])],
    ['maxpool same', () => conv([layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })])],
    ['avgpool', () => conv([layers.averagePooling2d({ poolSize: 2 })])],
    ['avgpool same', () => conv([layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' })])],
    ['strided', () => conv([layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: 'same' })])],
    ['strided valid', () => conv([layers.conv2d({ filters: 3, kernelSize: [3, 2], strides: 2, activation: 'relu' })])],
    ['dilated', () => conv([layers.conv2d({ filters: 3, kernelSize: 2, dilationRate: 2, activation: 'relu' })])],
    ['depthwise', () => conv([layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same', activation: 'tanh' })])],
    ['depthwise strided', () => conv([layers.depthwiseConv2d({ kernelSize: 3, strides: 2, activation: 'tanh' })])],
    ['separable', () => conv([layers.separableConv2d({ filters: 3, kernelSize: 3, padding: 'same', activation: 'tanh' })])],
    ['transpose', () => conv([layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, activation: 'tanh' })])],
    ['bn', () => conv([layers.batchNormalization(), layers.activation({ activation: 'relu' })])],
    ['bn noscale', () => conv([layers.batchNormalization({ scale: false }), layers.activation({ activation: 'relu' })])],
    ['bn nocenter', () => conv([layers.batchNormalization({ center: false }), layers.activation({ activation: 'relu' })])],
    ['layernorm', () => conv([layers.layerNormalization()])],
    ['leaky', () => conv([layers.leakyReLU()])],
    ['prelu', () => conv([layers.prelu({})])],
    ['elu', () => conv([layers.elu()])],
    ['relu', () => conv([layers.reLU()])],
    ['relu6', () => conv([layers.reLU({maxValue:6})])],
    ['thresholded', () => conv([layers.thresholdedReLU()])],
    ['softmax', () => conv([layers.softmax()])],
    ['zeropad', () => conv([layers.zeroPadding2d({ padding: 1 }), layers.conv2d({ filters: 2, kernelSize: 2 })])],
    ['cropping', () => conv([layers.cropping2D({ cropping: 1 as any})])],
    ['upsampling', () => conv([layers.upSampling2d({ size: [2, 2] })])],
    ['upsampling bil', () => conv([layers.upSampling2d({ size: [2, 2], interpolation:'bilinear' } as any)])],
    ['gap', () => sequential({ layers: [layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [9, 8, 2], activation: 'tanh' }), layers.globalAveragePooling2d({} as any), layers.dense({ units: 3 })] })],
    ['gmp', () => sequential({ layers: [layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [9, 8, 2], activation: 'tanh' }), layers.globalMaxPooling2d({} as any), layers.dense({ units: 3 })] })],
    ['reshape/dropout/permute', () => conv([layers.reshape({ targetShape: [72, 4] }), layers.dropout({ rate: 0.5 }), layers.permute({ dims: [2, 1] }), layers.conv1d({ filters: 3, kernelSize: 3, activation: 'tanh' }), layers.maxPooling1d({ poolSize: 2, strides: 2 }), layers.conv1d({filters:2,kernelSize:1, padding:'same'}), layers.averagePooling1d({poolSize:2, strides: 2, padding:'same'} as any)])],
    ['residual', () => { const x = input({ shape: [9, 8, 2] }); const a: any = layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }).apply(x); const b: any = layers.batchNormalization().apply(a); const c: any = layers.activation({ activation: 'relu' }).apply(b); const d: any = layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }).apply(c); const e: any = layers.add().apply([d, c]); const f: any = layers.concatenate().apply([e, a]); const m: any = layers.multiply().apply([f, layers.activation({activation:'tanh'}).apply(f) as any]); const avg: any = layers.average().apply([m,f]); const mx:any = layers.maximum().apply([avg, f]); const g: any = layers.globalAveragePooling2d({} as any).apply(mx); const h: any = layers.dense({ units: 3, activation: 'softmax' }).apply(g); return functional({ inputs: x, outputs: h }); }],
    ['lstm', () => sequential({ layers: [layers.reshape({ targetShape: [18, 8], inputShape: [9, 8, 2] }), layers.lstm({ units: 3 }), layers.dense({ units: 3 })] })],
    ['gru', () => sequential({ layers: [layers.reshape({ targetShape: [18, 8], inputShape: [9, 8, 2] }), layers.gru({ units: 3 }), layers.dense({ units: 3 })] })],
    ['timedist', () => sequential({ layers: [layers.reshape({ targetShape: [18, 8], inputShape: [9, 8, 2] }), layers.timeDistributed({ layer: layers.dense({units: 3, activation:'tanh'}) as any}), layers.flatten(), layers.dense({ units: 3 })] })],
    ['nested', () => sequential({ layers: [sequential({ layers: [layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [9, 8, 2], activation: 'relu' }), layers.flatten()] }), layers.dense({ units: 3 })] })],
  ];
  for (const [name, make] of cases) {
    try { await check(name, make(), [9, 8, 2], 3, 'cross-entropy', 'one-hot'); } catch (e) { console.log(name, String((e as any).stack).slice(0, 1200)); }
  }
  console.log('tensors', before, tf.memory().numTensors);
}, 200000);

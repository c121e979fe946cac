/** GRU layers with reset_after, Keras' default since version 2, which tfjs-layers does not have. */
import {
  add,
  matMul,
  mul,
  serialization,
  split,
  sub,
  type Tensor,
  type Tensor2D,
  tidy,
} from '../tfjs-core.js';
import { layers } from '../tfjs-layers.js';
import type { LayerEntry } from './layer-entries.js';

/** What tfjs-layers keeps in a GRU cell. */
interface Cell {
  units: number;
  useBias: boolean;
  kernel: { read(): Tensor2D };
  recurrentKernel: { read(): Tensor2D };
  bias: { read(): Tensor2D } | null;
  biasInitializer: unknown;
  activation: { apply(x: Tensor): Tensor };
  recurrentActivation: { apply(x: Tensor): Tensor };
  build(inputShape: unknown): void;
  addWeight(name: string, shape: number[], dtype: null, initializer: unknown): Cell['bias'];
}

/** tfjs-layers exports the function that makes cells, not their class. */
const GRUCell = layers.gruCell({ units: 1 }).constructor as unknown as new (args: object) => Cell;

/**
 * A GRU cell whose reset gate acts on the product with the recurrent kernel U, biases b and c being rows of one weight:
 *
 *     z, r = sigmoid(x W_zr + b_zr + h U_zr + c_zr),  g = tanh(x W_g + b_g + r * (h U_g + c_g)),  h' = z h + (1 - z) g
 *
 * (Cho et al. 2014, arXiv:1406.1078v1, the form that cuDNN computes; Keras documents it at GRU, `reset_after`.)
 * That of tfjs-layers, (r * h) U_g, is another function: no kernel and bias make one of the other.
 */
class ResetAfterGRUCell extends GRUCell {
  static readonly className = 'ResetAfterGRUCell';

  override build(inputShape: unknown): void {
    const { useBias } = this;
    this.useBias = false; // the bias of a GRUCell has another shape
    super.build(inputShape);
    this.useBias = useBias;
    this.bias = useBias ? this.addWeight('bias', [2, 3 * this.units], null, this.biasInitializer) : null;
  }

  call([x, h]: [Tensor2D, Tensor2D]): Tensor[] {
    return tidy(() => {
      const [inputBias, recurrentBias] = this.bias === null ? [null, null] : split(this.bias.read(), 2, 0);
      const product = (a: Tensor2D, kernel: Tensor2D, bias: Tensor | null) =>
        split(bias === null ? matMul(a, kernel) : add(matMul(a, kernel), bias), 3, 1);
      const [xz, xr, xg] = product(x, this.kernel.read(), inputBias);
      const [hz, hr, hg] = product(h, this.recurrentKernel.read(), recurrentBias);
      const z = this.recurrentActivation.apply(add(xz, hz));
      const r = this.recurrentActivation.apply(add(xr, hr));
      const g = this.activation.apply(add(xg, mul(r, hg)));
      const next = add(mul(z, h), mul(sub(1, z), g));
      return [next, next];
    });
  }
}

const RNN = layers.RNN as unknown as new (args: object) => object;

/** As the GRU of tfjs-layers is made of its cell: the options of both in one. */
class ResetAfterGRU extends RNN {
  static readonly className = 'ResetAfterGRU';

  constructor(args: object) {
    super({ ...args, cell: new ResetAfterGRUCell(args) });
  }

  static fromConfig(of: new (args: object) => ResetAfterGRU, config: object): ResetAfterGRU {
    return new of(config);
  }
}

for (const made of [ResetAfterGRUCell, ResetAfterGRU]) {
  serialization.registerClass(made as unknown as Parameters<typeof serialization.registerClass>[0]);
}

/** Makes a GRU layer or cell with reset_after, in Keras 2's form, one that tfjs-layers can build, in place. */
export function convertResetAfter(layer: LayerEntry): void {
  const { class_name: className, config } = layer;
  if (config.reset_after !== true || (className !== 'GRU' && className !== 'GRUCell')) {
    return;
  }
  layer.class_name = className === 'GRU' ? ResetAfterGRU.className : ResetAfterGRUCell.className;
  const { reset_after: _, ...options } = config;
  // The default of those versions of Keras that have reset_after.
  layer.config = { ...options, recurrent_activation: options.recurrent_activation ?? 'sigmoid' };
}

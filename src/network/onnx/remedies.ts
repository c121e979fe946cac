import type { OnnxNode } from '../../checkpoint/onnx-graph.js';

/** For what an optimiser that knows the input's shape computes beforehand. */
export const SIMPLIFY = 'simplify the model with onnxsim, for an input of fixed shape';
/** For what behaves otherwise in training. */
export const INFERENCE_MODE = 'export the model in inference mode (model.eval())';

const FLOAT_MODEL = 'analyse the float model that this one was made from';

const KINDS: readonly (readonly [operators: RegExp, remedy: string])[] = [
  [
    /^(\w*QuantizeLinear|DequantizeLinear|Q(Linear|Gemm|Attention)\w*|\w*Integer\w*|MatMul(NBits|Bnb4))$/,
    FLOAT_MODEL,
  ],
  [/^(RNN|LSTM|GRU)$/, 'recurrent layers are analysed in TensorFlow.js LayersModels'],
  [/^(If|Loop|Scan|Sequence\w*|\w*Sequence|Optional\w*)$/, `export the model without it, or ${SIMPLIFY}`],
  [/^(Random\w*|Multinomial|Bernoulli)$/, INFERENCE_MODE],
];

/** What helps where the operator of a node is not supported; completes "..; ". */
export function remedy({ opType, domain }: Pick<OnnxNode, 'opType' | 'domain'>): string {
  const kind = KINDS.find(([operators]) => operators.test(opType));
  if (kind !== undefined) {
    return kind[1];
  }
  if (domain.startsWith('com.microsoft')) {
    return 'take the model as it was before ONNX Runtime optimised it';
  }
  if (domain === 'ai.onnx.ml') {
    return 'export the neural network alone';
  }
  return domain === ''
    ? 'export the model without it, or simplify it with onnxsim'
    : 'export the model with standard operators, or with the function that says what it does';
}

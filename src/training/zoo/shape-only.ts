import { type DataType, engine, type Tensor } from '../../tfjs-core.js';
import { initializers } from '../../tfjs-layers.js';

type Initializer = ReturnType<typeof initializers.zeros>;

/** A tensor that has a shape and holds one number, whatever the shape: it can be named and freed, not computed with. */
function shapeOnlyTensor(shape: number[], dtype: DataType): Tensor {
  const { backend } = engine();
  const dataId = backend.write(new Float32Array(1), [1], 'float32');
  return engine().makeTensorFromTensorInfo({ dataId, shape, dtype }, backend);
}

function shapeOnly(rule: Initializer): Initializer {
  rule.apply = (shape, dtype = 'float32') => shapeOnlyTensor(shape as number[], dtype);
  return rule;
}

/**
 * Initialisers that a topology names for those who build it anew. Applied
 * here, they draw nothing and take no memory: kernels get seeded values, or
 * are only counted.
 */
export const heNormal: Initializer = shapeOnly(initializers.heNormal({}));
export const leCunNormal: Initializer = shapeOnly(initializers.leCunNormal({}));

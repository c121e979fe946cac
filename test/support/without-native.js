/** Preloaded, hides all native libraries, and what stands in for them: `npm run test:portable`. */
import { hidePackages } from './hide-packages.js';

hidePackages(
  ['onnxruntime-node', 'onnxruntime-node-1.17', 'onnxruntime-web', '@tensorflow/tfjs-node'],
  import.meta.url,
);

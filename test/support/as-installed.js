/** Preloaded, leaves only the ONNX Runtime that comes with the package: `npm run test:as-installed`. */
import { hidePackages } from './hide-packages.js';

hidePackages(['onnxruntime-node', '@tensorflow/tfjs-node'], import.meta.url);

/** Preloaded, hides all native libraries: `npm run test:portable`. */
import { hidePackages } from './hide-packages.js';

hidePackages(['onnxruntime-node', 'onnxruntime-node-1.17', '@tensorflow/tfjs-node'], import.meta.url);

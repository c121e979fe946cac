/**
 * Preloaded (`node --import`), hides the native libraries from this process and
 * those it starts, as if they were not installed: `npm run test:portable`.
 */
import { register } from 'node:module';

const hidden = ['onnxruntime-node', '@tensorflow/tfjs-node'];

const hooks = `
  export async function resolve(specifier, context, next) {
    const isHidden = (name) => specifier === name || specifier.includes('/node_modules/' + name + '/');
    if (${JSON.stringify(hidden)}.some(isHidden)) {
      const error = new Error('Cannot find package ' + specifier + ': hidden');
      error.code = 'ERR_MODULE_NOT_FOUND';
      throw error;
    }
    return next(specifier, context);
  }
`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
if (!process.env.NODE_OPTIONS?.includes(import.meta.url)) {
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import ${import.meta.url}`;
}

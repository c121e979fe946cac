import { register } from 'node:module';

/**
 * Hides packages from this process and those it starts, as if they were not
 * installed; for modules that are preloaded (`node --import`).
 *
 * @param {string[]} hidden names of the packages
 * @param {string} preloaded `import.meta.url` of the preloaded module
 */
export function hidePackages(hidden, preloaded) {
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
  if (!process.env.NODE_OPTIONS?.includes(preloaded)) {
    process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import ${preloaded}`;
  }
}

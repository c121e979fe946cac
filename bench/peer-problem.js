/** Writes a network, its examples and a vector where the scripts of bench/peers read them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNumbers } from './torch-process.js';

/**
 * @param {string} folder
 * @param {import('./peer-cases.js').PeerCase} benchCase
 * @param opened of `openBenchProblem`
 * @param {Float64Array} vector of the size of the flat weights
 * @param {object} settings what else a script wants to know
 */
export function writePeerProblem(folder, benchCase, { problem, checkpoint }, vector, settings) {
  const { network, train } = problem;
  const write = (name, data) => writeNumbers(folder, name, data);
  const weights = checkpoint.weights.map(({ name, shape, values }, index) => {
    write(`weight-${index}`, Float32Array.from(values));
    return { name, shape, file: `weight-${index}` };
  });
  for (const { name, offset, size } of network.prunable) {
    write(`vector-${name.replaceAll('/', '-')}`, Float32Array.from(vector.subarray(offset, offset + size)));
  }
  write('inputs', train.inputs(0, train.count));
  write('targets', train.targets(0, train.count));
  writeFileSync(
    join(folder, 'spec.json'),
    JSON.stringify({
      network: benchCase.network,
      layers: network.prunable.map(({ name }) => name.replace('/kernel', '')),
      weights,
      inputShape: [train.count, ...train.shape],
      targetShape: [train.count, network.outputs],
      batch: benchCase.batch,
      ...settings,
    }),
  );
}

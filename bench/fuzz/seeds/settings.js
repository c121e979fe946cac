/** A configuration file and a report. */

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encoder } from './basics.js';
import { dataArchive } from './data.js';
import { sequentialModel } from './layers.js';

/** A configuration with a value of every kind. */
export function configFile() {
  const config = {
    data: 'data.csv',
    labelColumn: 'label',
    normalize: '0.5/0.5',
    examples: 8,
    epsilon: '1%',
    ratios: [0.5, 0.9],
    include: ['*kernel'],
    curvature: 'ggn',
    seed: 3,
    probes: 2,
    layout: 'NHWC',
  };
  return encoder.encode(JSON.stringify(config, null, 2));
}

/** Where the report lies that `prepareReport` made; readers are other processes. */
const REPORT_VARIABLE = 'PRUNE_LIMIT_FUZZ_REPORT';

/** Analyses the sequential model, so that the report is of the version at hand; times and paths are made the same. */
export function prepareReport(folder) {
  for (const [name, bytes] of Object.entries({ ...sequentialModel(), 'data.npz': dataArchive() })) {
    writeFileSync(join(folder, name), bytes);
  }
  const command = fileURLToPath(new URL('../../../bin/prune-limit.js', import.meta.url));
  const options =
    '--quiet --epsilon 0.01 --probes 1 --steps 3 --ratios 0.5 --backend cpu --format json'.split(' ');
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [command, 'analyze', folder, '--data', join(folder, 'data.npz'), ...options],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`no report to damage: ${stderr}`);
  const report = JSON.parse(stdout);
  report.model.path = 'model.json';
  report.data.path = 'data.npz';
  for (const key of Object.keys(report.timing)) {
    if (typeof report.timing[key] === 'number') report.timing[key] = 1;
  }
  const path = join(folder, 'report.json');
  writeFileSync(path, JSON.stringify(report));
  process.env[REPORT_VARIABLE] = path;
}

/** The report that was prepared. */
export function reportFile() {
  return new Uint8Array(readFileSync(process.env[REPORT_VARIABLE]));
}

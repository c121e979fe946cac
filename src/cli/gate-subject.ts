/** What `gate` judges: a stored report or a model, alone or with a compressed model beside it. */
import type { JudgedReport } from '../gate/run-gates.js';
import type { Progress } from '../progress.js';
import type { Report } from '../report/schema.js';
import type { Context } from './context.js';
import { dataInput, fileInput, modelInputs } from './inputs.js';
import { analyzePrepared, prepareAnalysis } from './model-analysis.js';
import { checkApart, checkOutputFile, type Output, stdoutOutput } from './output.js';
import { denseOfReport, measureBeside, readPruned } from './pruned-model.js';
import type { Flags } from './resolve-config.js';

/** What is to be judged, and the files around it. */
export interface GateTarget {
  target: string;
  /** The target as seen from the working directory. */
  path: string;
  prunedFile: string | null;
  outputs: readonly Output[];
  configFile: string | null;
}

/** The report that gates are judged on, and the compressed network beside it. */
export type GateSubject = Pick<JudgedReport, 'report' | 'pruned'>;

/** A stored report; with a compressed model, that is measured as the report's options say. */
export async function storedSubject(
  report: Report,
  { target, path, prunedFile, outputs, configFile }: GateTarget,
  flags: Flags,
  context: Context,
  progress: Progress,
): Promise<GateSubject> {
  for (const output of outputs) {
    await checkOutputFile(output.option, output.path);
  }
  const inputs = [
    fileInput('the report', path),
    ...(configFile === null ? [] : [fileInput('the configuration file', configFile)]),
  ];
  if (prunedFile === null) {
    await checkApart([...stdoutOutput(context.host), ...outputs], inputs);
    return { report };
  }
  const { checkpoint, config } = await denseOfReport(report, target, flags, progress, context);
  const pruned = await readPruned(prunedFile, checkpoint.path, progress, context);
  const { weights } = config;
  await checkApart(
    [...stdoutOutput(context.host), ...outputs],
    [
      ...inputs,
      ...modelInputs(checkpoint, { weights, config: null }, context),
      dataInput(config.data),
      pruned.input,
    ],
  );
  const zeros = await context.work.prunedZeros(checkpoint, pruned, config, progress);
  const measured = await measureBeside(report, config, pruned, zeros, progress, context);
  return { report, pruned: (await import('../gate/pruned.js')).prunedFindings(report, measured) };
}

/** The report of a model that is analysed now; its compressed model is checked against it before that. */
export async function analyzedSubject(
  { target, path, prunedFile, outputs }: GateTarget,
  flags: Flags,
  context: Context,
  progress: Progress,
): Promise<GateSubject> {
  const pruned = prunedFile === null ? null : await readPruned(prunedFile, path, progress, context);
  const inputs = pruned === null ? [] : [pruned.input];
  const prepared = await prepareAnalysis(target, flags, context, progress, outputs, inputs);
  const { checkpoint, config } = prepared;
  const zeros = pruned === null ? null : await context.work.prunedZeros(checkpoint, pruned, config, progress);
  const report = await analyzePrepared(prepared, context, progress);
  if (pruned === null || zeros === null) {
    return { report };
  }
  const measured = await measureBeside(report, config, pruned, zeros, progress, context);
  return { report, pruned: (await import('../gate/pruned.js')).prunedFindings(report, measured) };
}

import { assembleReport } from './analysis/assembly.js';
import { basisNote } from './analysis/budget.js';
import type { ExampleEvaluator } from './analysis/computation.js';
import { connectedPruning } from './analysis/connectivity.js';
import { evaluateDense, toleratedIncrease } from './analysis/epsilon.js';
import { explainExecutorFailure } from './analysis/executor-failure.js';
import { findBetterOrder } from './analysis/image-order.js';
import { measureLayers } from './analysis/layers.js';
import { estimateLimits } from './analysis/limits.js';
import { measurePruning } from './analysis/measurement.js';
import { openComputation } from './analysis/open-computation.js';
import { openProblem } from './analysis/problem.js';
import { resourceScope } from './analysis/resources.js';
import { requireRightDerivatives } from './analysis/self-check.js';
import { increasePredictor, predictSlice } from './analysis/slice.js';
import { analysisStages as stages } from './analysis/stages.js';
import { openAnalysisState } from './analysis/state/analysis-state.js';
import { keptComputation } from './analysis/state/kept-computation.js';
import { keptSelfCheck } from './analysis/state/kept-self-check.js';
import { stopwatch } from './analysis/stopwatch.js';
import { diskRoom } from './analysis/vectors-on-disk.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { AnalyzeConfig, ResumeOptions } from './config.js';
import { InputError } from './errors.js';
import { beforeInterruption } from './interruption.js';
import { batchMeanDeviation, type Evaluation } from './network/evaluation.js';
import { asStage, type Progress, partsOf } from './progress.js';
import { rankByMagnitude } from './pruning/magnitude.js';
import { createPruningMeter } from './pruning/measurement.js';
import type { Report } from './report/schema.js';

/** Stages that few analyses have, loaded with all that they import where they are asked for. */
const askedFor = {
  compensated: () => import('./analysis/compensated-limit.js'),
  fullLayers: () => import('./analysis/layers-full.js'),
  patterns: () => import('./analysis/patterns.js'),
  rowNorms: () => import('./analysis/row-norms.js'),
  tuned: () => import('./tuned-limits.js'),
};

/**
 * Analyses a checkpoint: how far it can be pruned in theory, and how far one-shot
 * magnitude pruning of it really goes (Zhang et al., NeurIPS 2024).
 *
 * @param resume where results are kept, from which a run that was stopped goes on; the caller removes the file
 * @throws InputError when checkpoint, data and options do not fit together, or a compiled program fails under way
 */
export function analyze(
  config: AnalyzeConfig,
  progress: Progress,
  checkpoint: Checkpoint,
  resume: ResumeOptions | null = null,
): Promise<Report> {
  return resourceScope(async (scope) => {
    const watch = stopwatch();
    const interruptionWork = beforeInterruption();
    const { workers } = config;
    if (workers !== null) {
      await (await import('./workers/server.js')).requireServer(workers.url);
    }
    const staged = <T>(name: string, work: () => Promise<T>): Promise<T> => asStage(progress, name, work);
    const problem = await watch.time('load', () =>
      staged(stages.data, () => openProblem(config, checkpoint, progress, scope)),
    );
    const { network } = problem;
    if (config.rowNorms > network.dimension) {
      throw new InputError(
        'usage/row-norms',
        `--row-norms ${config.rowNorms}: the network has ${network.dimension} prunable weights, and so many rows; give at most that`,
      );
    }
    if (config.tuneEpochs > 0) {
      await (await askedFor.tuned()).requireTunable(problem, checkpoint);
    }
    const state =
      resume &&
      scope.own(
        await watch.time('resume', () =>
          openAnalysisState(resume, config, checkpoint, problem, { progress, watch }),
        ),
      );
    if (state !== null) {
      scope.own(interruptionWork.add(state.flush));
    }
    const selfCheck = await watch.time('selfCheck', () =>
      staged(stages.selfCheck, () =>
        keptSelfCheck(state, () => requireRightDerivatives(problem, checkpoint, config.seed)),
      ),
    );
    const betterOrder = await watch.time('imageOrder', () => findBetterOrder(problem, config));
    const ranking = rankByMagnitude(network.weights);
    const connected = await watch.time('connected', () =>
      staged(stages.connected, async () => connectedPruning(problem, ranking)),
    );
    const maximumFraction = connected.connectedWhenDense ? connected.prunedFraction : 1;
    const opened = await watch.time('compile', () =>
      staged(stages.compile, async () => {
        const disk = await diskRoom(resume && { file: resume.file, bytes: state?.bytes ?? 0 });
        const computation = await openComputation(problem, config, progress, scope, null, disk);
        const words = basisNote(computation.lanczos, disk);
        if (words !== null) {
          progress.note(words);
        }
        return computation;
      }),
    );
    const distributed =
      workers === null
        ? opened
        : await watch.time('workers', async () =>
            (await import('./distribute.js')).overWorkers(
              opened,
              problem,
              { config, workers, checkpoint, interruptionWork },
              progress,
              scope,
            ),
          );
    const computation = state === null ? distributed : await keptComputation(distributed, state, progress);

    const { train, epsilonTrain, test, curvature } = computation;
    const dense = await watch.time('dense', async () => {
      const evaluators = new Set([train, epsilonTrain, test].filter((evaluator) => evaluator !== null));
      const total = [...evaluators].reduce((sum, { examples }) => sum + examples, 0);
      const stage = progress.stage(stages.dense, total);
      const parts = partsOf(stage);
      const evaluated = (evaluator: ExampleEvaluator, of: string): Promise<Evaluation> =>
        evaluateDense(evaluator, network.weights, of, parts);
      const onTrain = await evaluated(train, 'training examples');
      const evaluations = {
        train: onTrain,
        epsilon:
          epsilonTrain === train
            ? onTrain
            : epsilonTrain && (await evaluated(epsilonTrain, 'examples for epsilon')),
        test: test && (await evaluated(test, 'test examples')),
      };
      stage.end();
      return evaluations;
    });
    const batchStd = dense.epsilon && batchMeanDeviation(dense.epsilon.losses);
    const epsilon = toleratedIncrease(config.epsilon, batchStd, dense.train.meanLoss);

    const { gradient } = await watch.time('gradient', () =>
      staged(stages.gradient, () => computation.lossGradient(network.weights)),
    );
    const spectrum = await watch.time('spectrum', () =>
      estimateLimits(computation, ranking, epsilon, config, progress),
    );

    const predict = increasePredictor(curvature, gradient, network.weights, ranking);
    const slice = await watch.time('slice', () => predictSlice(predict, epsilon, maximumFraction, progress));
    const meter = createPruningMeter({
      weights: network.weights,
      ranking,
      train: (weights) => train.at(weights),
      test: test && ((weights) => test.at(weights)),
      dense,
    });
    const measured = await watch.time('pruning', () =>
      measurePruning(
        {
          meter,
          predict,
          slice,
          ranking,
          epsilon,
          accuracyTolerance: config.accuracyTolerancePoints / 100,
          ratios: config.ratios,
          maximumFraction,
        },
        progress,
      ),
    );
    const layers = await watch.time('layers', () =>
      measureLayers(
        {
          curvature,
          layers: network.prunable,
          weights: network.weights,
          ranking,
          gradient,
          predict,
          slice,
          spectrumProducts: spectrum.products,
        },
        config.layers,
        progress,
      ),
    );
    const fullLayers =
      config.layers !== 'full'
        ? null
        : await watch.time('layersFull', async () =>
            (await askedFor.fullLayers()).measureFullLayers(
              {
                ...{
                  curvature,
                  gradient,
                  layers: network.prunable,
                  weights: network.weights,
                  ranking,
                  train,
                  test,
                },
                denseLoss: dense.train.meanLoss,
                denseTestLoss: dense.test?.meanLoss ?? null,
                epsilon,
                sliceFraction: slice.prunedFraction,
                maximumFraction,
              },
              progress,
            ),
          );
    const patterns =
      config.patterns.length === 0
        ? []
        : await watch.time('patterns', async () => {
            const { measurePatterns, patternKernels } = await askedFor.patterns();
            return measurePatterns(
              {
                kernels: patternKernels(checkpoint, network),
                ...{ weights: network.weights, curvature, gradient, train, test },
                denseLoss: dense.train.meanLoss,
              },
              config.patterns,
              progress,
            );
          });
    const rowNorms =
      config.rowNorms === 0
        ? []
        : await watch.time('rowNorms', async () =>
            (await askedFor.rowNorms()).measureRowNorms(
              curvature,
              network.weights,
              ranking,
              config.rowNorms,
              progress,
            ),
          );
    const tuned =
      config.tuneEpochs > 0
        ? await watch.time('tuned', async () =>
            (await askedFor.tuned()).measureTuned(
              {
                ...{ config, problem, checkpoint, epsilon, state },
                denseLoss: dense.train.meanLoss,
                denseAccuracy: dense.test?.accuracy ?? null,
                atOnce: {
                  loss: measured.loss.prunedFraction,
                  accuracy: measured.accuracy?.prunedFraction ?? null,
                },
              },
              progress,
            ),
          )
        : null;
    // Operation by operation, a gradient of every example at every stage takes longer than all trainings.
    const compensated =
      config.tuneEpochs > 0 && computation.plan !== null
        ? await watch.time('compensated', async () =>
            (await askedFor.compensated()).measureCompensated(
              {
                ...{ config, checkpoint, epsilon, state },
                ...{ denseLoss: dense.train.meanLoss, atOnce: measured.loss.prunedFraction },
              },
              progress,
            ),
          )
        : null;
    await state?.finish();
    return assembleReport({
      config,
      checkpoint,
      problem,
      computation,
      selfCheck,
      betterOrder,
      dense,
      batchStd,
      epsilon,
      gradient,
      ranking,
      spectrum,
      slice,
      connected,
      measured,
      layers,
      fullLayers,
      patterns,
      rowNorms,
      tuned,
      compensated,
      seconds: watch.seconds,
    });
  }).catch((error: unknown) => explainExecutorFailure(error));
}

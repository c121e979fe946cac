/** All pictures of a report: the one list of the page and of the files. */
import type { Report } from '../schema.js';
import { drawnReport, thinnedWords } from './drawn-points.js';
import type { Figure } from './figure.js';
import { layerPictures, layersCaption, layersLegend } from './layers-figure.js';
import { measuredCaption, measuredLegend, measuredPictures } from './measured-figure.js';
import { rowNormPictures, rowNormsCaption, rowNormsLegend } from './row-norms-figure.js';
import { spectrumFigure } from './spectrum-figure.js';
import { theoryCaption, theoryLegend, theoryPictures } from './theory-figure.js';
import { weightScalePictures, weightScalesCaption, weightScalesLegend } from './weight-scales-figure.js';
import { weightPictures, weightsCaption, weightsLegend } from './weights-figure.js';

function measuredFigure(report: Report, whole: Report): Figure {
  const pictures = measuredPictures(report);
  const withoutAccuracy = pictures.some(({ id }) => id === 'accuracy')
    ? ''
    : ' Test accuracy was not measured.';
  return {
    heading: 'Pruned at once, against theory',
    pictures,
    legend: measuredLegend(report),
    caption: measuredCaption(report) + withoutAccuracy + thinnedWords(whole.curve),
  };
}

function theoryFigure(report: Report, whole: Report): Figure {
  return {
    heading: 'Where the limits of theory come from',
    pictures: theoryPictures(report),
    legend: theoryLegend,
    caption: theoryCaption(report) + thinnedWords(whole.theory.curve),
  };
}

function densityFigure(report: Report): Figure {
  const spectrum = spectrumFigure(report);
  return {
    heading: 'Spectrum',
    pictures: spectrum === null ? [] : [spectrum.picture],
    legend: spectrum?.legend ?? [],
    caption: spectrum?.caption ?? 'The report holds no Ritz values that can be drawn.',
  };
}

function layersFigure(layers: NonNullable<Report['layers']>): Figure {
  return {
    heading: 'Layers',
    pictures: layerPictures(layers),
    legend: layersLegend(layers),
    caption: layersCaption(layers),
  };
}

function weightScalesFigure(report: Report): Figure[] {
  const { weightScales = [] } = report;
  return weightScales.length === 0
    ? []
    : [
        {
          heading: 'If the weights were larger',
          pictures: weightScalePictures(report, weightScales),
          legend: weightScalesLegend,
          caption: weightScalesCaption,
        },
      ];
}

function weightsFigure(report: Report): Figure[] {
  const { weights } = report;
  return weights === undefined
    ? []
    : [
        {
          heading: 'Weights',
          pictures: weightPictures(report, weights),
          legend: weightsLegend(report, weights),
          caption: weightsCaption(report, weights),
        },
      ];
}

function rowNormsFigure({ rowNorms }: Report): Figure[] {
  return rowNorms === undefined
    ? []
    : [
        {
          heading: 'Rows of the curvature',
          pictures: rowNormPictures(rowNorms),
          legend: rowNormsLegend,
          caption: rowNormsCaption(rowNorms),
        },
      ];
}

/** The figures of a report in the order of the page; what the report does not hold is left out. */
export function reportFigures(whole: Report): Figure[] {
  const report = drawnReport(whole);
  return [
    measuredFigure(report, whole),
    theoryFigure(report, whole),
    ...weightScalesFigure(report),
    densityFigure(report),
    ...weightsFigure(report),
    ...(whole.layers === undefined ? [] : [layersFigure(whole.layers)]),
    ...rowNormsFigure(report),
  ];
}

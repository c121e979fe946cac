import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { renderTrainingHtml } from '../../../src/report/html/training-page.js';
import type { TrainedEpoch, TrainSummary } from '../../../src/report/train-summary.js';

const epochs: TrainedEpoch[] = [
  { epoch: 1, step: 10, loss: 2, accuracy: 0.25, rate: 0.1, testLoss: 1.5, testAccuracy: 0.5 },
  { epoch: 2, step: 20, loss: 1, accuracy: 0.5, rate: 0.05, testLoss: 1, testAccuracy: 0.625 },
  { epoch: 3, step: 30, loss: 0.5, accuracy: 0.75, rate: 0, testLoss: 1.25, testAccuracy: 0.6 },
];

function summaryOf(history: TrainedEpoch[]): TrainSummary {
  return {
    output: 'out',
    files: [],
    epochs: history.length,
    history,
    recipe: { name: 'fc5-cifar10', as: 'coded', overridden: ['--epochs 3'] },
    trainLoss: 0.4,
    trainAccuracy: 0.8,
    testLoss: 1.2,
    testAccuracy: 0.6,
    parameters: 100,
    seconds: 1,
  };
}

function pageOf(history: TrainedEpoch[], options: Record<string, unknown> = {}) {
  const html = renderTrainingHtml(summaryOf(history), options);
  return { html, document: parseHTML(html).document };
}

/** Titles of the pictures, each of which is there in two widths. */
const titles = ({ document }: ReturnType<typeof pageOf>): string[] =>
  [...document.querySelectorAll('.picture')].map((element) => element.textContent ?? '');

describe('the page of a training run', () => {
  test('draws loss, accuracy and rate, and says what was trained', () => {
    const page = pageOf(epochs, { learningRate: 0.1, data: '<b>' });
    expect(titles(page)).toEqual([
      'Loss by epoch, without penalties',
      'Accuracy by epoch',
      'Learning rate by epoch',
    ]);
    expect(page.document.querySelectorAll('svg')).toHaveLength(6);
    expect(page.document.body.textContent).toContain('fc5-cifar10 as coded, but --epochs 3');
    expect(page.html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|<b>/);
    const cells = [...page.document.querySelectorAll('.grid tbody tr')[2]!.querySelectorAll('td')];
    expect(cells.map((cell) => cell.textContent)).toEqual([
      ...['3', '30', '0.5000', '75.00 %', '1.250', '60.00 %', '0'],
    ]);
  });

  test('puts the points where the numbers are', () => {
    const { document } = pageOf(epochs);
    const [loss] = document.querySelectorAll('svg.wide');
    const dots = [...loss!.querySelectorAll('circle')].map((dot) => ({
      x: Number(dot.getAttribute('cx')),
      y: Number(dot.getAttribute('cy')),
    }));
    // Three of training, then three of test.
    expect(dots).toHaveLength(6);
    expect(dots[1]!.x - dots[0]!.x).toBeCloseTo(dots[2]!.x - dots[1]!.x, 6);
    // On a linear axis the first step, from 2 to 1, is twice the second, from 1 to 0.5.
    expect((dots[1]!.y - dots[0]!.y) / (dots[2]!.y - dots[1]!.y)).toBeCloseTo(2, 6);
    // Both losses of epoch 2 are 1.
    expect(dots[4]!.y).toBeCloseTo(dots[1]!.y, 6);
  });

  test('takes a logarithmic axis for losses that span decades', () => {
    const losses = [2, 0.2, 0.02].map((loss, index) => ({ ...epochs[index]!, loss, testLoss: null }));
    const [picture] = pageOf(losses).document.querySelectorAll('svg.wide');
    const heights = [...picture!.querySelectorAll('circle')].map((dot) => Number(dot.getAttribute('cy')));
    expect(heights[1]! - heights[0]!).toBeCloseTo(heights[2]! - heights[1]!, 6);
  });

  test.each([
    ['one epoch', [epochs[0]!], 3],
    ['a loss of 0', [{ ...epochs[0]!, loss: 0, testLoss: 0 }], 3],
    ['no test split', epochs.map((each) => ({ ...each, testLoss: null, testAccuracy: null })), 3],
    ['no classes', epochs.map((each) => ({ ...each, accuracy: null, testAccuracy: null })), 2],
    ['no epochs', [], 0],
    ['300 epochs', Array.from({ length: 300 }, (_, index) => ({ ...epochs[0]!, epoch: index + 1 })), 3],
  ])('is drawn with %s', (_, history, pictures) => {
    const page = pageOf(history);
    expect(titles(page)).toHaveLength(pictures);
    expect(page.html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('says where there is no test split', () => {
    const without = epochs.map((each) => ({ ...each, testLoss: null, testAccuracy: null }));
    expect(pageOf(without).document.body.textContent).toContain('There is no test split.');
  });
});

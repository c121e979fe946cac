/** Labels: made from the numbers or words of a file, and read as classes or as targets. */

import { InputError } from '../errors.js';
import type { Labels } from './dataset.js';

/**
 * More classes than this are taken for numbers to predict: the largest label sets in use (ImageNet-21k) have
 * about 22,000, and one-hot rows of more would not fit into memory.
 */
export const MAX_CLASSES = 65_536;

/**
 * Labels from one column of numbers for each split, read together so that both splits agree.
 *
 * Where every number of every column is an integer in `[0, MAX_CLASSES)` they are classes, and the class count
 * is the largest number plus one; otherwise they are targets of width 1.
 */
export function labelsFromNumbers(columns: readonly ArrayLike<number>[]): Labels[] {
  let largest = -1;
  let classes = true;
  for (const column of columns) {
    for (let i = 0; i < column.length && classes; i++) {
      const value = column[i];
      classes = Number.isInteger(value) && value >= 0 && value < MAX_CLASSES;
      largest = Math.max(largest, value);
    }
  }
  return columns.map((column) =>
    classes
      ? { kind: 'classes', values: Int32Array.from(column), classCount: largest + 1 }
      : { kind: 'targets', values: Float32Array.from(column), width: 1 },
  );
}

/**
 * Labels from one column of words for each split: the distinct words of all columns, sorted by their UTF-16
 * code units, are the classes.
 *
 * @param where names the file in messages
 * @throws InputError when there are more than MAX_CLASSES distinct words
 */
export function labelsFromWords(columns: readonly (readonly string[])[], where: string): Labels[] {
  const words = [...new Set(columns.flat())].sort();
  if (words.length > MAX_CLASSES) {
    throw new InputError(
      'dataset/too-many-classes',
      `${where}: the label column holds ${words.length} different words, more than ${MAX_CLASSES} classes; name the right column with --label-column`,
    );
  }
  const classOf = new Map(words.map((word, index) => [word, index]));
  return columns.map((column) => ({
    kind: 'classes',
    values: Int32Array.from(column, (word) => classOf.get(word) as number),
    classCount: words.length,
  }));
}

/** The labels of some examples, in the order of their indices. */
export function gatherLabels(labels: Labels, order: Int32Array): Labels {
  if (labels.kind === 'classes') {
    return { ...labels, values: order.map((example) => labels.values[example]) };
  }
  const { width } = labels;
  const values = new Float32Array(order.length * width);
  for (let i = 0; i < order.length; i++) {
    for (let j = 0; j < width; j++) {
      values[i * width + j] = labels.values[order[i] * width + j];
    }
  }
  return { kind: 'targets', values, width };
}

function checkClasses(values: ArrayLike<number>, classCount: number): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!(Number.isInteger(value) && value >= 0 && value < classCount)) {
      throw new InputError(
        'dataset/label-range',
        `data: example ${i} has label ${value}, but the model tells ${classCount} classes apart (0 to ${classCount - 1}); number the classes from 0, or take the model that belongs to this data`,
      );
    }
  }
}

/**
 * Labels as class numbers.
 *
 * Targets become classes where that loses nothing: one-hot rows as wide as the class count, or single numbers
 * that are class numbers.
 *
 * @param classCount how many classes the model tells apart
 * @returns one class in `[0, classCount)` an example; not a copy where the labels are classes already
 * @throws InputError when a label is no class in that range
 */
export function classLabels(labels: Labels, classCount: number): Int32Array {
  const { values } = labels;
  if (labels.kind === 'classes') {
    checkClasses(values, classCount);
    return labels.values;
  }
  const { width } = labels;
  if (width === 1) {
    checkClasses(values, classCount);
    return Int32Array.from(values);
  }
  if (width !== classCount) {
    throw new InputError(
      'dataset/label-width',
      `data: labels are rows of ${width} numbers, but the model tells ${classCount} classes apart; take the model that belongs to this data`,
    );
  }
  const classes = new Int32Array(values.length / width).fill(-1);
  for (let i = 0; i < values.length; i++) {
    const example = Math.floor(i / width);
    if (values[i] === 1 && classes[example] === -1) {
      classes[example] = i % width;
    } else if (values[i] !== 0) {
      classes[example] = -2;
    }
  }
  const notOneHot = classes.findIndex((value) => value < 0);
  if (notOneHot >= 0) {
    throw new InputError(
      'dataset/not-one-hot',
      `data: the label row of example ${notOneHot} is not one-hot (one 1, else 0), so it names no class; give class labels, or use a regression loss`,
    );
  }
  return classes;
}

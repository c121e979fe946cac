/** Equations of Einsum: a letter for each axis of the operands and of the result. */
export interface Einsum {
  operands: readonly (readonly string[])[];
  result: readonly string[];
}

/**
 * Reads an equation; without an arrow the result has the letters that occur once, in alphabetical order.
 *
 * @returns null for what is not read: an ellipsis, a letter twice in one operand (a diagonal), or no equation at all
 */
export function parseEinsum(equation: string): Einsum | null {
  const [left, right, ...rest] = equation.replace(/\s/g, '').split('->');
  const operands = left.split(',').map((letters) => [...letters]);
  const all = operands.flat();
  const result =
    right === undefined
      ? [...new Set(all)].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort()
      : [...right];
  const isList = (letters: readonly string[]): boolean =>
    letters.every((letter) => /^[A-Za-z]$/.test(letter)) && new Set(letters).size === letters.length;
  const isRead =
    rest.length === 0 &&
    [...operands, result].every(isList) &&
    result.every((letter) => all.includes(letter));
  return isRead ? { operands, result } : null;
}

/** The operands that are summed over together with others: those of a matrix product. */
export function contractedOperands(equation: string): number[] {
  const einsum = parseEinsum(equation);
  if (einsum === null) {
    return [];
  }
  const { operands, result } = einsum;
  return operands.flatMap((letters, index) => {
    const others = operands.filter((_, other) => other !== index).flat();
    return letters.some((letter) => others.includes(letter) && !result.includes(letter)) ? [index] : [];
  });
}

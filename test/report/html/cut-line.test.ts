import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutLine } from '../../../src/report/html/cut-line.js';

const frame = { x: [0, 10], y: [0.5, 1] } as const;

test('a line is cut where it crosses an edge', () => {
  const line = [
    { x: -10, y: 0 },
    { x: 10, y: 1 },
    { x: 30, y: 1 },
  ];
  // y = 0.5 + x / 20: it enters at the corner of both axes, and leaves at (10, 1).
  expect(cutLine(frame, line)).toEqual(
    expect.arrayContaining([
      { x: 0, y: 0.5 },
      { x: 10, y: 1 },
    ]),
  );
  for (const { x, y } of cutLine(frame, line)) {
    expect(y).toBeCloseTo(0.5 + x / 20, 12);
  }
});

test('a line that crosses without a place inside is drawn from edge to edge', () => {
  const steep = [
    { x: 4, y: 0 },
    { x: 6, y: 2 },
  ];
  expect(cutLine(frame, steep)).toEqual([
    { x: 4.5, y: 0.5 },
    { x: 5, y: 1 },
  ]);
  expect(
    cutLine(frame, [
      { x: 20, y: 0 },
      { x: 30, y: 2 },
    ]),
  ).toEqual([]);
});

test('nothing is left outside, and nothing inside is lost', () => {
  const place = fc.record({
    x: fc.double({ min: -20, max: 30, noNaN: true }),
    y: fc.double({ min: -1, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 8 }), (line) => {
      const cut = cutLine(frame, line);
      for (const { x, y } of cut) {
        expect(x).toBeGreaterThanOrEqual(-1e-9);
        expect(x).toBeLessThanOrEqual(10 + 1e-9);
        expect(y).toBeGreaterThanOrEqual(0.5 - 1e-9);
        expect(y).toBeLessThanOrEqual(1 + 1e-9);
      }
      const inside = line.filter(({ x, y }) => x >= 0 && x <= 10 && y >= 0.5 && y <= 1);
      expect(cut.filter((one) => line.includes(one)).length).toBeGreaterThanOrEqual(inside.length);
    }),
  );
});

import { describe, expect, it } from 'vitest';
import { spectralDensity } from '../../../src/report/html/spectral-density.js';

const measure = { nodes: [-1, 0, 1, 4], weights: [0.25, 0.25, 0.25, 0.25] };

describe('spectralDensity', () => {
  it('integrates to 1 and peaks at the nodes', () => {
    const { grid, density } = spectralDensity(measure, { sigma: 0.05, points: 2001 });
    const step = grid[1] - grid[0];
    expect(density.reduce((sum, value) => sum + value * step, 0)).toBeCloseTo(1, 2);
    const peak = grid[density.indexOf(Math.max(...density))];
    expect([-1, 0, 1, 4].some((node) => Math.abs(node - peak) < step)).toBe(true);
  });

  it('has the height of a normal density at an atom that lies alone', () => {
    const { grid, density } = spectralDensity(measure, { sigma: 0.01, points: 5_061 });
    // 0.25 / (0.01 sqrt(2 pi)), as z = 0 at a node of the grid from -1.03 to 4.03 in steps of 0.001
    expect(grid[30]).toBeCloseTo(-1, 12);
    expect(density[30]).toBeCloseTo(9.973557010035817, 9);
  });

  it('draws a single atom', () => {
    const { density } = spectralDensity({ nodes: [0], weights: [1] });
    expect(density.every(Number.isFinite)).toBe(true);
  });

  it('rejects a width of zero', () => {
    expect(() => spectralDensity(measure, { sigma: 0 })).toThrow('sigma > 0');
  });
});

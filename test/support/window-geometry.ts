import fc from 'fast-check';

/** Sizes of a convolution or pooling over NHWC images. */
export interface WindowGeometry {
  batch: number;
  height: number;
  width: number;
  channels: number;
  outChannels: number;
  window: [number, number];
  strides: [number, number];
  pad: 'same' | 'valid';
  seed: number;
}

/** Small geometries of every kind that layers have, windows larger than strides and the other way round. */
export function windowGeometries(): fc.Arbitrary<WindowGeometry> {
  const small = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
  return fc
    .record({
      batch: small(2),
      height: small(7),
      width: small(6),
      channels: small(3),
      outChannels: small(3),
      window: fc.tuple(small(4), small(3)),
      strides: fc.tuple(small(3), small(3)),
      pad: fc.constantFrom('same', 'valid'),
      seed: fc.nat(1000),
    })
    .filter(
      ({ pad, window, height, width }) => pad === 'same' || (height >= window[0] && width >= window[1]),
    );
}

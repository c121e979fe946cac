/** Pictures made in memory: PNG of any kind, and four JPEG files that PIL 9.4 wrote and read. */

import { deflateSync } from 'node:zlib';
import { crc32 } from '../../../src/formats/crc32.js';

function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const bytes = Buffer.alloc(body.length + 8);
  bytes.writeUInt32BE(content.length);
  bytes.set(body, 4);
  bytes.writeUInt32BE(crc32(body), body.length + 4);
  return bytes;
}

/** Numbers a pixel of each colour type of PNG: grey, RGB, palette, grey with alpha, RGB with alpha. */
const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * A PNG file (https://www.w3.org/TR/png/) of bytes, row by row; `palette` of RGB triples for colour type 3, `says` a width and
 * height that the header has instead.
 */
export function png(
  width: number,
  height: number,
  colourType: 0 | 2 | 3 | 4 | 6,
  samples: ArrayLike<number>,
  options: { palette?: number[]; bits?: 8 | 16; says?: [number, number] } = {},
): Uint8Array {
  const { palette, bits = 8, says = [width, height] } = options;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(says[0], 0);
  header.writeUInt32BE(says[1], 4);
  header.set([bits, colourType], 8);
  const rowBytes = (width * SAMPLES[colourType] * bits) / 8;
  const rows = Array.from({ length: height }, (_, row) =>
    Buffer.from([0, ...Array.from(samples).slice(row * rowBytes, (row + 1) * rowBytes)]),
  );
  return Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    ...(palette ? [chunk('PLTE', Buffer.from(palette))] : []),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const JPEGS = {
  colour:
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCj/wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAZEAEAAgMAAAAAAAAAAAAAAAAABgcjMqH/xAAVAQEBAAAAAAAAAAAAAAAAAAABA//EABwRAAEDBQAAAAAAAAAAAAAAAAACAwQFBhIUIv/aAAwDAQACEQMRAD8AgQ6udMPACy6rEpb9dmaaej//2Q==',
  grey: '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EABoQAAAHAAAAAAAAAAAAAAAAAAAGByMzQVH/2gAIAQEAAD8AATskRNZQ/9k=',
  turned:
    '/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCj/wAARCAAEAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAb/xAAZEAEAAgMAAAAAAAAAAAAAAAAABAUGIiP/xAAVAQEBAAAAAAAAAAAAAAAAAAAEBv/EABwRAAEDBQAAAAAAAAAAAAAAAAEAAgMGEhQikf/aAAwDAQACEQMRAD8AgMOo4OnIAiEm1V9PyyYbdj1f/9k=',
  cmyk: '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAGBAUGBQQGBgUGBwcGCAoQCgoJCQoUDg8MEBcUGBgXFBYWGh0lHxobIxwWFiAsICMmJykqKRkfLTAtKDAlKCko/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAUI/8QAIBAAAQALAQAAAAAAAAAAAAAAAAYHCBcjM0FEUWSBov/aAA4EQwBNAFkASwAAPwABna14AOS1fIArtCJULFCqT//Z',
};

/** A JPEG file: 8 x 8 in colour, grey, as CMYK, or of 8 x 4 pixels that EXIF says to turn. */
export function jpeg(kind: keyof typeof JPEGS): Uint8Array {
  return Buffer.from(JPEGS[kind], 'base64');
}

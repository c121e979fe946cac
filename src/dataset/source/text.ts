/** Text, by its first bytes. */

import type { SourceFile } from './file.js';

/** Bytes that tell whether a file is text: further ones may hold what a message should name. */
const TEXT_BYTES = 512;

/** Whether a file begins like text: it holds no control characters but tab and line ends. */
export function isText({ head }: SourceFile): boolean {
  return (
    head.length > 0 &&
    head.subarray(0, TEXT_BYTES).every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13)
  );
}

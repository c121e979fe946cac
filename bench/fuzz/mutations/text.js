/** Ways to damage a text of lines, and what is packed in something else. */

import { mutateBytes } from './bytes.js';
import { few, pick } from './choices.js';
import { hostileText } from './json.js';

/** Fields, separators and numbers of a text of lines. */
export function mutateText(bytes, random) {
  if (random.uniform() < 0.3) return mutateBytes(bytes, random);
  const lines = new TextDecoder().decode(bytes).split('\n');
  for (let i = few(random, 4); i > 0; i--) {
    const at = random.integer(lines.length);
    const fields = lines[at].split(',');
    const field = random.integer(fields.length);
    switch (random.integer(6)) {
      case 0:
        fields[field] = pick(
          ['', 'nan', 'inf', '-1', '1e400', '1e39', '"', '"a""b"', '0x10', '1_000', '٣', '#', ' '],
          random,
        );
        break;
      case 1:
        fields.splice(field, 1);
        break;
      case 2:
        fields.splice(field, 0, pick(['0', '"x,y"', '\u0000', '\u2028', 'x'.repeat(10_000)], random));
        break;
      case 3:
        lines.splice(at, 0, lines[random.integer(lines.length)]);
        continue;
      case 4:
        lines.splice(at, 1);
        if (lines.length === 0) lines.push('');
        continue;
      default:
        fields[field] = hostileText(random);
    }
    lines[at] = fields.join(pick([',', ',', ',', ';', '\t'], random));
  }
  return new TextEncoder().encode(lines.join(pick(['\n', '\n', '\r\n', '\r'], random)));
}

/** Mutates what `unpack` takes out of a file and `pack` puts back, checksums and lengths made anew. */
export function mutateInside(unpack, mutate, pack) {
  return (bytes, random) => pack(mutate(unpack(bytes, random), random), bytes);
}

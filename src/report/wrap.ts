/** Cutting text to a width; apart from `layout.ts`, which loads more than help may take. */

/** Breaks at spaces, and inside words that are longer than a line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length <= width) {
      line += ` ${word}`;
      continue;
    }
    if (line !== '') {
      lines.push(line);
    }
    line = word;
    while (line.length > width) {
      const end = wholeCharacters(line, width);
      lines.push(line.slice(0, end));
      line = line.slice(end);
    }
  }
  lines.push(line);
  return lines;
}

/** At most `length` code units that end between two characters. */
function wholeCharacters(text: string, length: number): number {
  const last = text.charCodeAt(length - 1);
  return length > 1 && last >= 0xd800 && last < 0xdc00 ? length - 1 : length;
}

/** A text of at most `length` characters: of a longer one start and end. */
export function shortened(text: string, length: number): string {
  if (text.length <= length) {
    return text;
  }
  const kept = Math.max(0, length - 3);
  const start = Math.ceil(kept / 2);
  return `${text.slice(0, start)}...${kept > start ? text.slice(start - kept) : ''}`.slice(0, length);
}

/** Characters that drive terminals, break lines or turn the direction of text, and that JSON leaves as they are. */
const UNPRINTABLE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Shows text from a file in a message: quoted, on one line, not too long. */
export function quoted(text: string): string {
  const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
  return shown.replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

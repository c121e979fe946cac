/** Text that comes out of a file, made safe to print inside a one-line message. */

/** Longest piece of foreign text a message repeats; a crafted name could fill the screen. */
const MAX_PRINTED = 200;

/** Control, line-separator and text-direction characters: they break lines or drive terminals. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Escapes unprintable characters as `\uXXXX` and shortens what is too long. */
export function printable(text: string): string {
  const shown = text.length > MAX_PRINTED ? `${text.slice(0, MAX_PRINTED)}...` : text;
  return shown.replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** `printable` in double quotes. */
export function quoted(text: string): string {
  return `"${printable(text)}"`;
}

/** At most three quoted names, or `most`, and the number of those left out. */
export function quotedList(texts: readonly string[], most = 3): string {
  const shown = texts.slice(0, most).map(quoted).join(', ');
  return texts.length > most ? `${shown} and ${texts.length - most} more` : shown;
}

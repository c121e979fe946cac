import { readFileSync } from 'node:fs';

/** package.json of this installation; two folders up both from src/cli and from dist/cli. */
export function readPackage(): { version: string } {
  const url = new URL('../../package.json', import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as { version: string };
}

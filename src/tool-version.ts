import { readFileSync } from 'node:fs';

/** The version of prune-limit; package.json is one folder up both from src and from dist. */
export function toolVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

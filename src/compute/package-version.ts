import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The version of an installed package, as its package.json says it; null where there is none. */
export function packageVersion(name: string): string | null {
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch {
    return null;
  }
}

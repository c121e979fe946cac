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

/** Whether a version comes before another one; what is no version does not. */
export function isOlder(version: string, than: readonly [major: number, minor: number]): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major < than[0] || (major === than[0] && minor < than[1]);
}

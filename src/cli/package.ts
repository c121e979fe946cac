import { readFileSync } from 'node:fs';

interface PackageJson {
  version: string;
  bugs?: string | { url?: string };
}

/** package.json of this installation; two folders up both from src/cli and from dist/cli. */
export function readPackage(): { version: string; issueTracker: string } {
  const url = new URL('../../package.json', import.meta.url);
  const { version, bugs } = JSON.parse(readFileSync(url, 'utf8')) as PackageJson;
  const tracker = typeof bugs === 'string' ? bugs : bugs?.url;
  return { version, issueTracker: tracker ?? "the project's issue tracker" };
}

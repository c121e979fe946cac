/** Finds ONNX Runtime among the installed packages. */
import type { OnnxRuntime } from './compile/native-session.js';
import { isOlder, packageVersion } from './package-version.js';

/**
 * Packages that hold ONNX Runtime, the preferred first. Where `onnxruntime-node`
 * is installed on Linux x64, its install script fetches CUDA libraries from
 * outside of the npm registry, and npm leaves the package out where that fails.
 * It is therefore taken only where somebody installed it; what comes with
 * prune-limit is its last version without such a script.
 */
export const RUNTIME_PACKAGES = ['onnxruntime-node', 'onnxruntime-node-1.17'] as const;

/**
 * ONNX Runtime as WebAssembly, for machines without the native library. It
 * takes 148 MB, so it is used where somebody installed it.
 */
export const WEB_RUNTIME_PACKAGE = 'onnxruntime-web';

/** The oldest version that the compiled programs were tested with. */
const OLDEST_VERSION = [1, 17] as const;

/** ONNX Runtime as it was found. */
export interface LoadedRuntime {
  runtime: OnnxRuntime;
  version: string;
}

/** What a package holds, or why it cannot be used. */
async function loadPackage(
  name: string,
  load: (name: string) => Promise<unknown>,
): Promise<LoadedRuntime | string> {
  try {
    const runtime = (await load(name)) as OnnxRuntime;
    // Some packages keep their package.json to themselves.
    const version = packageVersion(name) ?? runtime.env?.versions?.web ?? 'of unknown version';
    return isOlder(version, OLDEST_VERSION)
      ? `${version} is too old, ${OLDEST_VERSION.join('.')} or newer is needed`
      : { runtime, version };
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND'
      ? 'not installed'
      : (error as Error).message.split('\n')[0];
  }
}

/**
 * Loads the first of {@link RUNTIME_PACKAGES} that works here.
 *
 * @param load how a package is imported; tests stand in for it
 * @returns the library, or why there is none, as text that follows "onnxruntime-node: "
 */
export async function loadOnnxRuntime(
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<LoadedRuntime | string> {
  const problems: string[] = [];
  for (const name of RUNTIME_PACKAGES) {
    const found = await loadPackage(name, load);
    if (typeof found !== 'string') {
      return found;
    }
    problems.push(found);
  }
  return problems.find((problem) => problem !== 'not installed') ?? 'not installed';
}

/**
 * Loads ONNX Runtime as WebAssembly.
 *
 * @param threads that it computes with
 * @param load how a package is imported; tests stand in for it
 * @returns the library, or why there is none, as text that follows "onnxruntime-web: "
 */
export async function loadWebRuntime(
  threads: number,
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<LoadedRuntime | string> {
  const found = await loadPackage(WEB_RUNTIME_PACKAGE, load);
  if (typeof found !== 'string') {
    const { env } = found.runtime;
    // Read once, when the first program is compiled.
    env.wasm.numThreads = threads;
    // What goes wrong is thrown; the console gets warnings about the machine.
    env.logLevel = 'fatal';
  }
  return found;
}

/**
 * The command that installs ONNX Runtime from the npm registry alone: on Linux
 * x64 the install script of the package is told to leave CUDA libraries out.
 */
export function runtimeInstallCommand(
  platform: string = process.platform,
  architecture: string = process.arch,
): string {
  const skip = platform === 'linux' && architecture === 'x64' ? 'ONNXRUNTIME_NODE_INSTALL=skip ' : '';
  return `${skip}npm i onnxruntime-node`;
}

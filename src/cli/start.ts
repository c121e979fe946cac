/** What the executable calls. It imports next to nothing, so that it can tell where even that is too much. */
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { interruptedAnalysis } from './interruption.js';
import { type InterruptedWords, supervise } from './supervision.js';

/** Commands that compute for longer than anyone should wait for a Ctrl-C. */
const COMPUTING_COMMANDS = ['analyze', 'prune', 'train', 'study', 'gate', 'doctor', 'worker'];

/**
 * Options of Node for a process that computes. Its arrays live for one product each, and a small heap is collected again
 * and again on their account: with this much to begin with, the analysis of fixtures/mnist-lomp took 8 % less time and
 * 11 % less CPU time (medians of five pairs; the best of six settings tried, so on the high side), MLPNet's 2 % more memory.
 */
export const COMPUTING_OPTIONS = ['--initial-heap-size=512'];

/**
 * Lets Node keep compiled modules between runs in its own folder of the
 * system's temporary ones, where it can (from 22.1 on): about a tenth of the start.
 * NODE_DISABLE_COMPILE_CACHE=1 keeps it from that.
 */
function keepCompiledModules(): void {
  const { enableCompileCache } = nodeModule as { enableCompileCache?: () => unknown };
  enableCompileCache?.();
}

/** Runs the command line in this process. */
export async function runHere(host: NodeJS.Process): Promise<void> {
  keepCompiledModules();
  try {
    const { run } = await import('./run.js');
    await run(host);
  } catch (error) {
    // `run` itself throws nothing: what its modules are read with may be missing.
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') {
      throw error;
    }
    host.stderr.write(
      'prune-limit: more files would have to be open than this shell allows; raise the limit, for example with ulimit -n 1024\n',
    );
    host.exitCode = 2;
  }
}

/** Runs the command line: in a process of its own where it computes, else here. */
export async function start(host: NodeJS.Process): Promise<void> {
  const [command = '', ...options] = host.argv.slice(2);
  const computes =
    COMPUTING_COMMANDS.includes(command) && !options.some((option) => /^(-h|--help)$/.test(option));
  const script = fileURLToPath(new URL('./computing-process.js', import.meta.url));
  // The caller's own come later, and win.
  const argv = [...COMPUTING_OPTIONS, ...host.execArgv, script, ...host.argv.slice(2)];
  const words: InterruptedWords = (...run) =>
    command === 'analyze' ? interruptedAnalysis(options, ...run) : '';
  if (!computes || !(await supervise(host, argv, words))) {
    await runHere(host);
  }
}

/** The process that computes; see `supervision.ts`. */
import { runHere } from './start.js';

// Nobody waits for the result any more.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();

await runHere(process);

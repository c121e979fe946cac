#!/usr/bin/env node
import { run } from '../dist/cli/run.js';

// Node's warnings of what libraries do (deprecated, experimental) are not for whoever runs the command.
process.removeAllListeners('warning');
await run(process);

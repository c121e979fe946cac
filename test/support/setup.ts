import fc from 'fast-check';
import { afterAll } from 'vitest';
import { removeTemporaryFolders } from './folders.js';

/** Properties are tried on the same values in every run: a red test is red again. */
fc.configureGlobal({ seed: 20_241_210 });

// Here and not in a module that tests import: files that share a process evaluate that module once, this one each.
afterAll(removeTemporaryFolders);

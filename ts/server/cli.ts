#!/usr/bin/env node
/*
 * Imports nothing, so that a signal finds somebody almost from the first moment: a server that is told to stop before its program has been read has nothing to
 * finish, and ends as any other does. `onSignal` takes over from this.
 */
if (process.argv[2] === 'serve') for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));

await import('./program.js');

export {};

import { afterAll, afterEach } from 'vitest';
import { tidyFile, tidyTest } from './leftovers.js';

// Run anew for each file, whatever it shares a process with.
afterAll(tidyFile);
afterEach(tidyTest);

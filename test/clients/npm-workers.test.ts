import { npmScenario } from './scenario/npm.js';
import { FOUR_WORKERS } from './setups.js';

// The same as against one process, for another minute: npm.test.ts goes through it everywhere, CI through both.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: npm against four workers takes a minute more; REQUIRE_CLIENTS=1 runs it');

npmScenario(FOUR_WORKERS, quick);

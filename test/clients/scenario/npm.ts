import { afterAll, beforeAll, describe } from 'vitest';
import { lacks, onPath } from '../programs.js';
import type { Setup } from '../setups.js';
import { accounts } from './accounts.js';
import { changing } from './changing.js';
import { installing } from './installing.js';
import { publishing } from './publishing.js';
import { reading } from './reading.js';
import { type Rig, startRig } from './rig.js';
import { storage } from './storage.js';

if (!process.env.REQUIRE_CLIENTS)
  console.log('shortened: npm publishes, installs, unpublishes and logs in; REQUIRE_CLIENTS=1 drives all its commands');

/** Everything npm can ask of a registry, in one order: later parts use what earlier ones have published. */
export function npmScenario(setup: Setup, without = false): void {
  describe.skipIf(without || lacks('npm', onPath('npm')))(`npm against ${setup.title}`, { timeout: 120_000 }, () => {
    let started: Rig | undefined;
    const rig = (): Rig => {
      if (!started) throw new Error('the registry did not start');
      return started;
    };
    beforeAll(async () => {
      started = await startRig(setup);
    });
    afterAll(() => started?.stop());
    publishing(rig);
    changing(rig);
    reading(rig);
    accounts(rig);
    installing(rig);
    storage(rig);
  });
}

import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { P, spaceOf } from './spaces.js';

/** Probes may be a second old, and acknowledgements wait that second out: what begins after one still sees it. */
const staleness = (mutants: Mutants): Scenario => ({
  name: 'staleness',
  processes: ['writer', 'time', 'reader', 'request 1', 'request 2'],
  async play(stage) {
    const writer = spaceOf(stage, 'writer', mutants, { maxStaleness: 1000 });
    const reader = spaceOf(stage, 'reader', mutants, { maxStaleness: 1000, slow: true });
    await Promise.all([writer.open(), reader.open()]);
    await writer.commit(P, add('0'), { visible: 'named' });
    await reader.read(P);
    let acknowledged = 1;
    let wrong: string | undefined;
    const request = async () => {
      const after = acknowledged;
      const seen = (await reader.read(P)).state.added.length;
      if (seen < after) wrong = `a request that began after ${after} changes were acknowledged saw ${seen}`;
    };
    return {
      scripts: {
        writer: async () => {
          await writer.commit(P, add('1'));
          acknowledged += 1;
        },
        time: async () => {
          for (let i = 0; i < 6; i += 1) {
            stage.clock.pass(500);
            await stage.step('time', 'half a second passes');
          }
        },
        'request 1': request,
        'request 2': request,
      },
      violated: () => wrong,
    };
  },
});

checkScenario(staleness, ['acknowledge-at-once']);

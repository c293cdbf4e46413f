import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { P, spaceOf } from './spaces.js';

/** On a folder, one look serves all requests that have arrived before it begins; another package has moved the feed on since the last one. */
const sharedLook = (mutants: Mutants): Scenario => ({
  name: 'shared look',
  processes: ['writer', 'reader', 'request 1', 'request 2'],
  async play(stage) {
    const writer = spaceOf(stage, 'writer', mutants);
    const reader = spaceOf(stage, 'reader', mutants, { local: true, slow: true });
    await Promise.all([writer.open(), reader.open()]);
    await writer.commit(P, add('0'));
    await reader.read(P);
    await writer.commit('another', add('1'));
    await writer.sweep();
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
        'request 1': request,
        'request 2': request,
      },
      violated: () => wrong,
    };
  },
});

checkScenario(sharedLook, ['share-begun-look'], { few: true });

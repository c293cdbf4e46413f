import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { P, spaceOf } from './spaces.js';

/** A writer publishes twice, a sweeper feeds, three requests share another instance's cache: what begins after an acknowledgement sees it. */
const freshness = (mutants: Mutants): Scenario => ({
  name: 'freshness',
  processes: ['writer', 'sweeper', 'reader', 'request 1', 'request 2', 'request 3'],
  async play(stage) {
    const writer = spaceOf(stage, 'writer', mutants);
    const sweeper = spaceOf(stage, 'sweeper', mutants);
    const reader = spaceOf(stage, 'reader', mutants, { slow: true });
    await Promise.all([writer.open(), sweeper.open(), reader.open()]);
    await writer.commit(P, add('0'));
    await writer.sweep();
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
          for (const value of ['1', '2']) {
            await writer.commit(P, add(value));
            acknowledged += 1;
          }
        },
        sweeper: async () => {
          await sweeper.sweep();
          await sweeper.sweep();
        },
        'request 1': request,
        'request 2': request,
        'request 3': request,
      },
      violated: () => wrong,
    };
  },
});

const WHOLE = Boolean(process.env['REQUIRE_CLIENTS']);
if (!WHOLE) console.log('skipped: freshness+reread-settles-later-probes, found after seconds; REQUIRE_CLIENTS=1 looks for it');

checkScenario(freshness, [
  'feed-before-markers',
  'feed-moves-unmarked',
  ...(WHOLE ? (['reread-settles-later-probes'] as const) : []),
]);
